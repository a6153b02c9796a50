/** `nflow start` in a process of its own, until it is ready. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { NflowError } from '../errors.ts';
import { proportionalMemoryMiB } from './memory.ts';

export interface ServerProcess {
  port: number;
  /** From starting the command until `/ready` said yes. */
  readyAfterMs: number;
  /** PSS of its gateway and runners, without launcher, supervisor and PostgreSQL; null where it cannot be told. */
  memoryMiB(): number | null;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

/** First start with a database of its own: `initdb` alone may take seconds on a slow disk. */
const readyTimeoutMs = 60_000;
const readyIntervalMs = 20;
/** The gateway's own process: the supervisor, which starts it, has another script. */
const gatewayCommand = /\/cli\/gateway-entry\.[jt]s/;
const stopTimeoutMs = 30_000;

/** `flags` are those of `nflow start`; its configuration must have this port. */
export async function startServerProcess(port: number, flags: readonly string[]): Promise<ServerProcess> {
  const launcher = fileURLToPath(new URL('../../bin/nflow.mjs', import.meta.url));
  const beganMs = performance.now();
  const child = spawn(process.execPath, [launcher, 'start', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-8000);
    });
  }
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await closed;
    clearTimeout(timer);
  };
  try {
    await untilReady(child, port, () => output);
  } catch (error) {
    await stop();
    throw error;
  }
  const processId = child.pid;
  return {
    port,
    readyAfterMs: performance.now() - beganMs,
    memoryMiB: () => (processId === undefined ? null : proportionalMemoryMiB(processId, gatewayCommand)),
    stop,
  };
}

async function untilReady(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const deadlineMs = performance.now() + readyTimeoutMs;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/ready`);
      await answer.body?.cancel();
      if (answer.ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, readyIntervalMs));
  }
  throw new NflowError(
    'internal_error',
    `the server of the bench was not ready within ${readyTimeoutMs / 1000} s:\n${output()}`,
  );
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new NflowError('internal_error', 'no free port was found');
  return address.port;
}
