/**
 * A target for effects, in a process of its own: it outlives whatever the test kills, and its log says what really arrived.
 * Every request is in the log before it is answered.
 *
 *   ANY /path?delayMs=50&status=503    answers after 50 ms with status 503; 200 at once without them
 *   ANY /path?hold                     answers when the test calls `release`, at once from then on
 *
 * The answer is JSON: `{ "n": 7, "path": "/path" }`, n counting the requests from 1.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface TargetEntry {
  method: string;
  /** With its query. */
  path: string;
  idempotencyKey: string | null;
  body: string;
  /** Ms since the epoch at which the request was complete. */
  timeMs: number;
}

export interface TargetServer {
  /** `http://127.0.0.1:PORT`. */
  url: string;
  port: number;
  /** The process, for tests that stop or kill it. */
  pid: number;
  /** Everything that arrived so far, in order; after `stop`, everything that ever did. */
  log(): TargetEntry[];
  /** Answers what is held. */
  release(): void;
  /** Ends the process and removes its log. */
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('./target-server-process.ts', import.meta.url));
const startTimeoutMs = 20_000;

/** Rejects when the process does not listen within 20 s, with what it printed. */
export async function startTargetServer(): Promise<TargetServer> {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-target-'));
  const logFile = join(folder, 'requests.ndjson');
  // The channel is what tells the process that its test has died.
  const child = spawn(process.execPath, [program, logFile], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
  const exited = once(child, 'exit');
  let port: number;
  try {
    port = await listeningPort(child);
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
    throw error;
  }
  let finalLog: TargetEntry[] | null = null;
  const log = () => finalLog ?? parseLog(readFileSync(logFile, 'utf8'));
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid as number,
    log,
    release: () => void child.send('release'),
    async stop() {
      if (finalLog !== null) return;
      child.kill('SIGKILL');
      await exited;
      finalLog = log();
      rmSync(folder, { recursive: true });
    },
  };
}

function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let printed = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const timer = setTimeout(() => reject(new Error(`the target did not listen in time: ${printed}`)), startTimeoutMs);
    child.once('message', (message) => {
      clearTimeout(timer);
      resolve(Number(message));
    });
    child.once('exit', () => {
      clearTimeout(timer);
      reject(new Error(`the target ended before it listened: ${printed}`));
    });
  });
}

/** Lines are written whole; a last one that a kill cut off was never answered and does not count. */
function parseLog(text: string): TargetEntry[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
