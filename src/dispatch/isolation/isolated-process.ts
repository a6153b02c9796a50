import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { runnerAnnounceFd, runnerSocketFd } from '../../protocol/runner-settings.ts';
import { type Command, runnerEnvironment } from './command.ts';
import { readChildPid } from './only-child.ts';

export interface IsolatedProcessOptions {
  command: Command;
  /** The process that is spawned stays, and the runner is its child. */
  hasHolder: boolean;
  announceFd: number;
  mountTableFd: number | null;
  /** What stands in for descriptors that must not be inherited. */
  foreign: { fds: readonly number[]; nullFd: number };
}

/**
 * A runner's process, as seen from outside: with a pid namespace it is the child of another process, its holder, which waits for it
 * and ends in the same way. Either may be killed by anybody; neither must stay without the other.
 */
export class IsolatedProcess {
  readonly child: ChildProcess;
  readonly socket: Socket;
  readonly #hasHolder: boolean;
  #pid = 0;

  constructor(options: IsolatedProcessOptions) {
    const { command, announceFd, mountTableFd, foreign } = options;
    this.#hasHolder = options.hasHolder;
    const stdio = new Array<'ignore' | 'pipe' | number>(Math.max(runnerAnnounceFd, ...foreign.fds) + 1).fill('ignore');
    stdio[0] = mountTableFd ?? 'ignore';
    stdio[2] = 'pipe';
    stdio[runnerSocketFd] = 'pipe';
    stdio[runnerAnnounceFd] = announceFd;
    for (const fd of foreign.fds) stdio[fd] = foreign.nullFd;
    // In the gateway's process group, with which it ends at the latest.
    this.child = spawn(command.file, command.args, { stdio, cwd: '/', env: runnerEnvironment });
    const socket = this.child.stdio?.[runnerSocketFd];
    if (socket === undefined || socket === null) {
      // So Node leaves a child for which there were no descriptors; its `error` event comes later, to nobody.
      this.child.on('error', () => {});
      throw new Error('no open files are left for a process (EMFILE): raise `ulimit -n`');
    }
    this.socket = socket as Socket;
    // From its first word on it can be found, and ended without its holder's help.
    this.socket.once('data', () => void this.pid);
    this.child.once('exit', (_code, signal) => {
      // A holder that was killed did not wait for its runner.
      if (this.#hasHolder && signal !== null) this.#killRunner();
    });
  }

  /** Of the process that runs Node. Before it has been made, and where it could not be found, of its holder. */
  get pid(): number {
    const spawned = this.child.pid ?? 0;
    if (!this.#hasHolder) return spawned;
    if (this.#pid === 0) this.#pid = readChildPid(spawned);
    return this.#pid === 0 ? spawned : this.#pid;
  }

  kill(): void {
    // Found first: a holder that is gone has no children.
    this.#killRunner();
    this.child.kill('SIGKILL');
  }

  #killRunner(): void {
    const { pid } = this;
    if (pid === 0 || pid === this.child.pid) {
      // It was only just being made, and is not to be found: one that comes up all the same ends when nobody holds its socket.
      if (this.#hasHolder) this.socket.destroy();
      return;
    }
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}
