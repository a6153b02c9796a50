/**
 * Stands in for a runner that somebody has taken over: started like one, it tries what it must not be able to do, and tells how each
 * attempt went. One line of JSON comes in on the runner's socket, one goes out.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { runnerSocketFd } from '../../../src/protocol/runner-settings.ts';
import { dropPrivileges } from '../../../src/runner/drop-privileges.ts';

export interface Attempts {
  gatewayPid: number;
  gatewayPort: number;
  /** A file that only the gateway's user may read. */
  secretFile: string;
  ownCode: string;
}

/** `done`, or the code of the error. */
export interface Outcomes {
  pid: number;
  uid: number;
  gid: number;
  groups: number[];
  environment: string[];
  readShadow: string;
  readSecret: string;
  writeOwnCode: string;
  writeTemporary: string;
  rootEntries: string[];
  signalGateway: string;
  becomeRoot: string;
  startShell: string;
  connect: string;
  interfaces: string[];
}

function attempt(action: () => unknown): string {
  try {
    action();
    return 'done';
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function tryToConnect(port: number): Promise<string> {
  return new Promise((resolve) => {
    try {
      const client = connect(port, '127.0.0.1');
      client.once('connect', () => resolve('done'));
      client.once('error', (error) => resolve(codeOf(error)));
    } catch (error) {
      resolve(codeOf(error));
    }
  });
}

async function tryAll({ gatewayPid, gatewayPort, secretFile, ownCode }: Attempts): Promise<Outcomes> {
  let rootEntries: string[] = [];
  attempt(() => {
    rootEntries = readdirSync('/');
  });
  return {
    pid: process.pid,
    uid: process.getuid?.() ?? -1,
    gid: process.getgid?.() ?? -1,
    groups: process.getgroups?.() ?? [],
    environment: Object.keys(process.env),
    readShadow: attempt(() => readFileSync('/etc/shadow')),
    readSecret: attempt(() => readFileSync(secretFile)),
    writeOwnCode: attempt(() => writeFileSync(ownCode, '', { flag: 'a' })),
    writeTemporary: attempt(() => writeFileSync('/tmp/nflow-test-of-a-runner', '')),
    rootEntries,
    signalGateway: attempt(() => process.kill(gatewayPid, 0)),
    becomeRoot: attempt(() => process.setuid?.(0)),
    startShell: attempt(() => {
      const { error } = spawnSync('/bin/sh', ['-c', 'true']);
      if (error !== undefined) throw error;
    }),
    connect: await tryToConnect(gatewayPort),
    interfaces: Object.keys(networkInterfaces()),
  };
}

dropPrivileges(process.argv);
const socket = new Socket({ fd: runnerSocketFd, readable: true, writable: true });
socket.on('close', () => process.exit(0));
socket.once('data', async (line: Buffer) => {
  socket.write(`${JSON.stringify(await tryAll(JSON.parse(line.toString()) as Attempts))}\n`);
});
