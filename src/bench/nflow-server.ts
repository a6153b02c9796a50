/** A real nFlow server for the time of a bench: its own data folder, port and workflows, gone without trace afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NflowError } from '../errors.ts';
import { proportionalMemoryMiB } from './memory.ts';
import { orderTotalCode } from './order.ts';

export interface BenchServer {
  port: number;
  /** PSS of its gateway and runners, without launcher, supervisor and PostgreSQL; null where it cannot be told. */
  memoryMiB(): number | null;
  stop(): Promise<void>;
}

/** First start with a database of its own: `initdb` alone may take seconds on a slow disk. */
const readyTimeoutMs = 60_000;
const readyIntervalMs = 100;
/** The gateway's own process: the supervisor, which starts it, has another script. */
const gatewayCommand = /\/cli\/gateway\.[jt]s/;
const stopTimeoutMs = 30_000;

type Durability = 'durable' | 'recorded' | 'ephemeral';

/** `order-total` with this durability, at `/bench/DURABILITY`. */
function orderTotal(durability: Durability): object {
  return {
    format: 1,
    name: `order-total-${durability}`,
    triggers: [{ type: 'http', method: 'POST', path: `/bench/${durability}` }],
    durability,
    nodes: { total: { type: 'code', code: orderTotalCode } },
  };
}

/** Durable, with one unsafe effect: a POST to the target; answers what `order-total` does. */
function oneEffect(targetPort: number): object {
  return {
    format: 1,
    name: 'one-effect',
    triggers: [{ type: 'http', method: 'POST', path: '/bench/one-effect' }],
    durability: 'durable',
    nodes: {
      total: { type: 'code', code: orderTotalCode, next: 'send' },
      send: {
        type: 'http',
        method: 'POST',
        url: `http://127.0.0.1:${targetPort}/`,
        body: '{{ nodes.total }}',
        next: 'answer',
      },
      answer: { type: 'end', output: '{{ nodes.total }}' },
    },
  };
}

/** Starts `nflow start`. With `effectTargetPort`, `/bench/one-effect` exists too. */
export async function startBenchServer(effectTargetPort: number | null = null): Promise<BenchServer> {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-bench-'));
  const workflows = join(folder, 'workflows');
  mkdirSync(workflows);
  const definitions: object[] = [orderTotal('ephemeral'), orderTotal('recorded'), orderTotal('durable')];
  if (effectTargetPort !== null) definitions.push(oneEffect(effectTargetPort));
  for (const [index, definition] of definitions.entries()) {
    writeFileSync(join(workflows, `bench-${index}.workflow.json`), JSON.stringify(definition));
  }
  const port = await freePort();
  const config = join(folder, 'config.toml');
  const allowed = effectTargetPort === null ? [] : [`127.0.0.1:${effectTargetPort}`];
  writeFileSync(
    config,
    `[server]\nport = ${port}\n\n[egress]\nallow = ${JSON.stringify(allowed)}\n\n[log]\nlevel = "warn"\n`,
  );

  const launcher = fileURLToPath(new URL('../../bin/nflow.mjs', import.meta.url));
  const flags = ['start', '--config', config, '--workflows', workflows, '--data', join(folder, 'data')];
  const child = spawn(process.execPath, [launcher, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
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
    rmSync(folder, { recursive: true, force: true });
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
    memoryMiB: () => (processId === undefined ? null : proportionalMemoryMiB(processId, gatewayCommand)),
    stop,
  };
}

async function untilReady(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const deadlineMs = performance.now() + readyTimeoutMs;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    try {
      if ((await fetch(`http://127.0.0.1:${port}/ready`)).ok) return;
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
async function freePort(): Promise<number> {
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
