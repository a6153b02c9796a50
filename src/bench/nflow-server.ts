/** A real nFlow server for the time of a bench: its own data folder, port and workflows, gone without trace afterwards. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orderTotalCode } from './order.ts';
import { freePort, startServerProcess } from './server-process.ts';

export interface BenchServer {
  port: number;
  /** PSS of its gateway and runners, without launcher, supervisor and PostgreSQL; null where it cannot be told. */
  memoryMiB(): number | null;
  stop(): Promise<void>;
}

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

/** What a bench needs beside the workflows of all. */
export interface BenchServerExtras {
  /** Definitions of workflows. */
  definitions?: readonly object[];
  /** Sections of the configuration. */
  config?: string;
}

/** Starts `nflow start`. With `effectTargetPort`, `/bench/one-effect` exists too. */
export async function startBenchServer(
  effectTargetPort: number | null = null,
  extras: BenchServerExtras = {},
): Promise<BenchServer> {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-bench-'));
  const workflows = join(folder, 'workflows');
  mkdirSync(workflows);
  const definitions: object[] = [orderTotal('ephemeral'), orderTotal('recorded'), orderTotal('durable')];
  if (effectTargetPort !== null) definitions.push(oneEffect(effectTargetPort));
  definitions.push(...(extras.definitions ?? []));
  for (const [index, definition] of definitions.entries()) {
    writeFileSync(join(workflows, `bench-${index}.workflow.json`), JSON.stringify(definition));
  }
  const port = await freePort();
  const config = join(folder, 'config.toml');
  const allowed = effectTargetPort === null ? [] : [`127.0.0.1:${effectTargetPort}`];
  writeFileSync(
    config,
    `[server]\nport = ${port}\n\n[egress]\nallow = ${JSON.stringify(allowed)}\n\n[log]\nlevel = "warn"\n\n${extras.config ?? ''}`,
  );

  const flags = ['--config', config, '--workflows', workflows, '--data', join(folder, 'data')];
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const server = await startServerProcess(port, flags);
    return {
      port,
      memoryMiB: server.memoryMiB,
      stop: async () => {
        await server.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
