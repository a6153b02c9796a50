import { startBareServer } from './bare.ts';
import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { generateLoad, measurementOf, medianOf } from './load.ts';
import type { LoadResult } from './load-generator.ts';
import { describeMachine } from './machine.ts';
import { type BenchServer, startBenchServer } from './nflow-server.ts';
import { orderTotalJson } from './order.ts';
import { orderLoad } from './order-load.ts';
import { readMetric, untilLanesAreUp } from './server-metrics.ts';

export interface SoakBenchSizes {
  /** A multiple of `soakTenths`. */
  executions: number;
}

/** Its memory is compared tenth by tenth. */
export const soakTenths = 10;
const defaultSizes: SoakBenchSizes = { executions: 1_000_000 };
/** As many as the http bench: nothing has to be refused. */
const connections = 32;
/** Every tenth execution calls a server. */
const mix = [
  ...['ephemeral', 'recorded', 'durable', 'ephemeral', 'recorded', 'durable'],
  ...['ephemeral', 'recorded', 'durable', 'one-effect'],
];
const workflows = ['order-total-ephemeral', 'order-total-recorded', 'order-total-durable', 'one-effect'];
const memoryIntervalMs = 500;
/** A server that is slower hangs. */
const slowestPerSecond = 50;
const startOfLoadMs = 30_000;
/** For the counters of the last executions. */
const countedWithinMs = 10_000;
const countIntervalMs = 100;

/**
 * `soak.1000000`: executions of every durability, and with an effect now and then, against one server. Every one must succeed, by its
 * answer and by the server's own count, and the memory of gateway and runners must not grow (PostgreSQL, the load generator and the
 * target of the effect are beside it). The row of another number of executions has that in its name, and no bar: fewer are over
 * before memory has settled. Its times are the medians of the tenths.
 */
export async function runSoakBench(
  { onProgress }: Pick<BenchOptions, 'onProgress'>,
  { executions }: SoakBenchSizes = defaultSizes,
): Promise<BenchReport> {
  const machine = describeMachine();
  const name = `soak.${executions}`;
  const bare = await startBareServer(orderTotalJson);
  try {
    onProgress('starting a server');
    const server = await startBenchServer(bare.port);
    try {
      await untilLanesAreUp(server.port);
      const results: LoadResult[] = [];
      const tenthsMiB: number[] = [];
      const beganMs = performance.now();
      for (let tenth = 1; tenth <= soakTenths; tenth++) {
        const { result, memoryMiB } = await runTenth(server, executions / soakTenths);
        results.push(result);
        if (memoryMiB !== null) tenthsMiB.push(memoryMiB);
        onProgress(`${name} ${tenth}/${soakTenths}: ${describe(result, memoryMiB)}`);
      }
      const tookMs = performance.now() - beganMs;
      const answers = medianOf(results);
      const succeeded = await untilCounted(server, executions);
      onProgress(
        `${name}: ${succeeded} of ${executions} succeeded in ${Math.round(tookMs / 1000)} s, ${await readMetric(server.port, 'nflow_runner_restarts_total')} runners replaced`,
      );
      const row = judge({
        ...measurementOf(name, answers),
        perSecond: (succeeded * 1000) / tookMs,
        // An execution that is missing in the count was told as a wrong answer too, or lost with its connection.
        errors: Math.max(answers.errors, executions - answers.answers, Math.abs(executions - succeeded)),
        pssMiB: tenthsMiB.at(-1) ?? null,
        ...(tenthsMiB.length === soakTenths ? { pssMiBByTenth: tenthsMiB } : {}),
      });
      return { machine, rows: [row] };
    } finally {
      await server.stop();
    }
  } finally {
    await bare.stop();
  }
}

interface Tenth {
  result: LoadResult;
  /** Mean over the tenth; null where it cannot be told. */
  memoryMiB: number | null;
}

async function runTenth(server: BenchServer, requests: number): Promise<Tenth> {
  const samplesMiB: number[] = [];
  const sample = (): void => {
    const memoryMiB = server.memoryMiB();
    if (memoryMiB !== null) samplesMiB.push(memoryMiB);
  };
  const timer = setInterval(sample, memoryIntervalMs);
  const times = { warmUpMs: 0, durationMs: startOfLoadMs + (requests * 1000) / slowestPerSecond };
  let result: LoadResult;
  try {
    result = await generateLoad({
      ...orderLoad(server.port, '', connections, times),
      paths: mix.map((durability) => `/bench/${durability}`),
      requests,
    });
  } finally {
    clearInterval(timer);
  }
  // A short tenth has at least this one.
  sample();
  const sumMiB = samplesMiB.reduce((sum, memoryMiB) => sum + memoryMiB, 0);
  return { result, memoryMiB: samplesMiB.length === 0 ? null : Math.round((sumMiB / samplesMiB.length) * 10) / 10 };
}

/** What the server says that it executed, once that is all, or after a while. */
async function untilCounted(server: BenchServer, executions: number): Promise<number> {
  const deadlineMs = performance.now() + countedWithinMs;
  for (;;) {
    let succeeded = 0;
    for (const workflow of workflows) {
      succeeded += await readMetric(server.port, `nflow_executions_total{workflow="${workflow}",status="succeeded"}`);
    }
    if (succeeded >= executions || performance.now() > deadlineMs) return succeeded;
    await new Promise((resolve) => setTimeout(resolve, countIntervalMs));
  }
}

function describe({ answers, perSecond, p99Ms, errors, firstError }: LoadResult, memoryMiB: number | null): string {
  const figures = `${answers.toLocaleString('en')} answers, ${Math.round(perSecond).toLocaleString('en')}/s, p99 ${p99Ms.toFixed(1)} ms`;
  const memory = memoryMiB === null ? '' : `, ${memoryMiB} MiB`;
  const wrong = errors === 0 ? '' : `, ${errors} errors; the first: ${firstError}`;
  return `${figures}${memory}${wrong}`;
}
