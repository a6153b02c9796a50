import { spawn } from 'node:child_process';
import { signalProcess } from '../store/embedded/process-identity.ts';
import type { Life } from './keeper.ts';
import type { FromGateway, ServeOrder, ToGateway } from './messages.ts';

/** The descriptors that the listening sockets have in the gateway: 0 to 2 are the standard ones, 3 is the IPC channel. */
export const inheritedListenFd = 4;
export const inheritedAdminFd = 5;

/** How `exited` reads after a stop that left nothing undone. */
export const orderlyExit = 'exit code 0';

/** What an orderly exit may take beyond `drain_timeout`: the last commits, closing runners and connections. */
const exitMarginMs = 5_000;

export interface GatewayOptions {
  /** Path of the gateway's script. */
  script: string;
  /** Where it keeps compiled code: its argument. */
  compiledDir: string;
  /** The bound socket; null where it cannot be inherited. */
  listenFd: number | null;
  /** That of `[admin] listen`; null as well without it. */
  adminFd: number | null;
  /** Sent when it is known. */
  order: Promise<ServeOrder>;
  drainTimeoutMs: number;
  onMessage(message: FromGateway): void;
}

export interface GatewayLife extends Life {
  send(message: ToGateway): void;
}

/**
 * Starts a gateway in a session and process group of its own. So Ctrl-C at the terminal reaches the supervisor alone, which then
 * drains in order; and whatever the gateway leaves behind when it is killed, runners stuck in native code too, ends with its group.
 */
export function startGateway(options: GatewayOptions): Promise<GatewayLife> {
  const { script, compiledDir, listenFd, adminFd } = options;
  const inherited = [listenFd, adminFd].filter((fd) => fd !== null);
  const child = spawn(process.execPath, [...process.execArgv, script, compiledDir], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...inherited],
    detached: true,
  });
  const pid = child.pid;
  if (pid === undefined) return new Promise((_, reject) => child.once('error', reject));

  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      killGroup(pid);
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
  });
  const send = (message: ToGateway): void => {
    // A gateway that has just died is no error here: its exit says it.
    if (child.connected) child.send(message, () => {});
  };
  child.on('error', () => {});
  child.on('message', (message) => options.onMessage(message as FromGateway));
  void options.order.then(send);

  const stop = async (): Promise<void> => {
    send({ type: 'drain' });
    const timer = setTimeout(() => killGroup(pid), options.drainTimeoutMs + exitMarginMs);
    await exited;
    clearTimeout(timer);
  };
  return Promise.resolve({ pid, exited, send, stop, kill: () => killGroup(pid) });
}

/** The group keeps its number for as long as it has a member, so this never hits another one's processes. */
export function killGroup(leaderPid: number): void {
  signalProcess(-leaderPid, 'SIGKILL');
}
