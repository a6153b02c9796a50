import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { type BenchChild, startChild } from './child.ts';
import { type CrowdOptions, generateCrowd } from './crowd.ts';
import { measurementOf } from './load.ts';
import type { LoadResult } from './load-generator.ts';
import { describeMachine } from './machine.ts';
import { type BenchServer, startBenchServer } from './nflow-server.ts';
import { orderJson } from './order.ts';
import type { BenchRow } from './row.ts';
import { benchScript } from './script.ts';
import { readMetric, untilLanesAreUp } from './server-metrics.ts';
import type { WaitingTargetReport } from './waiting-target.ts';

export interface WaitingBenchSizes {
  /** Executions whose clients leave, and those whose clients wait. */
  left: number;
  sync: number;
}

const defaultSizes: WaitingBenchSizes = { left: 10_000, sync: 8_000 };
const delayMs = 2_000;
/** Clients a second: what one gateway takes in on two cores, with a connection and a call each. */
const arrivalsPerSecond = 2_000;
const leavesAfterMs = 1_500;
/** For the executions of clients that have left. */
const endsWithinMs = 90_000;
const sampleIntervalMs = 250;

const crowdedWorkflows = 200;
const crowdedMaxSize = 50;
const crowdedWaitMs = 5_000;
/** The last one comes before the first one is over. Each needs a VM of its own, which takes tens of milliseconds to make. */
const crowdedPerSecond = 42;
/** The other workflow: a request now and then, since it is not its load that is looked at. */
const anotherPerSecond = 50;

/**
 * `waiting.200over50`: another workflow's requests while 200 workflows wait and 50 VMs are allowed. `waiting.10000` and
 * `waiting.8000sync`: so many executions wait for an HTTP call at the same time; memory is what they take beyond the server at rest.
 */
export async function runWaitingBench(
  options: BenchOptions,
  sizes: WaitingBenchSizes = defaultSizes,
): Promise<BenchReport> {
  const machine = describeMachine();
  const rows: BenchRow[] = [await measureCrowded(options)];
  const target = startChild(benchScript('waiting-target'));
  try {
    const report = target.message<WaitingTargetReport>();
    target.process.send({ delayMs });
    const { port } = await report;
    options.onProgress('starting a server');
    const server = await startBenchServer(port, {
      definitions: ['durable', 'ephemeral'].map((durability) => waitingWorkflow(durability, port)),
    });
    try {
      await untilLanesAreUp(server.port);
      // The programs are compiled and every process is up before memory is compared.
      await generateCrowd(crowdOf(server, '/bench/waiting/durable', 200, null));
      await generateCrowd(crowdOf(server, '/bench/waiting/ephemeral', 200, null));
      rows.push(await measureLeft(server, target, sizes.left, options));
      rows.push(await measureSync(server, sizes.sync, options));
    } finally {
      await server.stop();
    }
  } finally {
    await target.stop();
  }
  return { machine, rows };
}

async function measureCrowded({ onProgress }: BenchOptions): Promise<BenchRow> {
  const name = 'waiting.200over50';
  onProgress('starting a server with max_size = 50');
  const definitions = Array.from({ length: crowdedWorkflows }, (_, index) => sleepingWorkflow(index));
  const server = await startBenchServer(null, { definitions, config: `[vm_pool]\nmax_size = ${crowdedMaxSize}\n` });
  try {
    await untilLanesAreUp(server.port);
    const paths = definitions.map((_, index) => `/bench/sleeping/${index}`);
    const crowd = crowdOf(server, '/', crowdedWorkflows, null);
    const waited = generateCrowd({ ...crowd, paths, perSecond: crowdedPerSecond });
    const clients = Math.ceil(((crowdedWorkflows / crowdedPerSecond) * 1000 + crowdedWaitMs) / 1000) * anotherPerSecond;
    const another = await generateCrowd({
      ...crowdOf(server, '/bench/ephemeral', clients, null),
      body: orderJson,
      perSecond: anotherPerSecond,
    });
    const waiting = await waited;
    show(onProgress, name, waiting);
    show(onProgress, 'another', another);
    return judge({ ...measurementOf(name, another), errors: another.errors + waiting.errors });
  } finally {
    await server.stop();
  }
}

/** Clients that leave: what became of their executions is asked of the server. */
async function measureLeft(
  server: BenchServer,
  target: BenchChild,
  count: number,
  { onProgress }: BenchOptions,
): Promise<BenchRow> {
  const name = 'waiting.10000';
  const before = await countSucceeded(server, 'waiting-durable');
  const memory = new MemoryWatch(server);
  const beganMs = performance.now();
  const crowd = await generateCrowd(crowdOf(server, '/bench/waiting/durable', count, leavesAfterMs));
  let succeeded = 0;
  while (succeeded < count && performance.now() - beganMs < endsWithinMs) {
    await new Promise((resolve) => setTimeout(resolve, sampleIntervalMs));
    succeeded = (await countSucceeded(server, 'waiting-durable')) - before;
  }
  const tookMs = performance.now() - beganMs;
  const pssMiB = memory.stop();
  const report = target.message<WaitingTargetReport>();
  target.process.send({});
  const { requests } = await report;
  onProgress(
    `${name}: ${succeeded} of ${count} succeeded in ${Math.round(tookMs)} ms, ${requests} calls, ${pssMiB} MiB more`,
  );
  return judge({
    name,
    perSecond: (succeeded * 1000) / tookMs,
    meanMs: tookMs,
    p50Ms: tookMs,
    p99Ms: tookMs,
    errors: crowd.errors + count - succeeded,
    pssMiB,
  });
}

async function measureSync(server: BenchServer, count: number, { onProgress }: BenchOptions): Promise<BenchRow> {
  const name = 'waiting.8000sync';
  const memory = new MemoryWatch(server);
  const result = await generateCrowd(crowdOf(server, '/bench/waiting/ephemeral', count, null));
  const pssMiB = memory.stop();
  show(onProgress, name, result);
  return judge({ ...measurementOf(name, result), pssMiB });
}

function crowdOf(server: BenchServer, path: string, clients: number, leaves: number | null): CrowdOptions {
  return {
    host: '127.0.0.1',
    port: server.port,
    paths: [path],
    body: '{}',
    clients,
    perSecond: arrivalsPerSecond,
    leavesAfterMs: leaves,
  };
}

function show(
  onProgress: (line: string) => void,
  name: string,
  { answers, p50Ms, p99Ms, errors, firstError }: LoadResult,
): void {
  const wrong = errors === 0 ? '' : `, ${errors} errors; the first: ${firstError}`;
  onProgress(`${name}: ${answers} answers, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms${wrong}`);
}

function waitingWorkflow(durability: string, targetPort: number): object {
  return {
    format: 1,
    name: `waiting-${durability}`,
    triggers: [{ type: 'http', method: 'POST', path: `/bench/waiting/${durability}` }],
    durability,
    timeout: '60s',
    nodes: {
      wait: { type: 'http', method: 'GET', url: `http://127.0.0.1:${targetPort}/`, next: 'answer' },
      answer: { type: 'end', output: '{{ nodes.wait.body }}' },
    },
  };
}

function sleepingWorkflow(index: number): object {
  return {
    format: 1,
    name: `sleeping-${index}`,
    triggers: [{ type: 'http', method: 'POST', path: `/bench/sleeping/${index}` }],
    durability: 'ephemeral',
    nodes: { sleep: { type: 'code', code: `await ctx.sleep(${crowdedWaitMs});\nreturn { slept: ${index} };` } },
  };
}

function countSucceeded(server: BenchServer, workflow: string): Promise<number> {
  return readMetric(server.port, `nflow_executions_total{workflow="${workflow}",status="succeeded"}`);
}

/** The most memory that a server had, beyond what it had when the watch began. */
class MemoryWatch {
  readonly #server: BenchServer;
  readonly #restMiB: number | null;
  readonly #timer: NodeJS.Timeout;
  #mostMiB = 0;

  constructor(server: BenchServer) {
    this.#server = server;
    this.#restMiB = server.memoryMiB();
    this.#timer = setInterval(() => this.#sample(), sampleIntervalMs);
  }

  /** MiB; null where memory cannot be told. */
  stop(): number | null {
    clearInterval(this.#timer);
    this.#sample();
    return this.#restMiB === null ? null : Math.round(this.#mostMiB - this.#restMiB);
  }

  #sample(): void {
    this.#mostMiB = Math.max(this.#mostMiB, this.#server.memoryMiB() ?? 0);
  }
}
