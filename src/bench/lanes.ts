import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { generateLoad, measurementOf, medianOf } from './load.ts';
import type { LoadOptions, LoadResult } from './load-generator.ts';
import { describeMachine } from './machine.ts';
import { startBenchServer } from './nflow-server.ts';
import { orderLoad, showRound } from './order-load.ts';
import { untilLanesAreUp } from './server-metrics.ts';

/** Clients of the light workflow, and of the heavy one: more than its runners can serve, fewer than are refused. */
const lightConnections = 4;
const heavyConnections = 8;
const heavyCpuMs = 50;
const heavyAnswer = '{"heavy":true}';

/** Both go on for this long before light answers count: the dispatcher has to learn who is heavy. */
const settlingMs = 3_000;

/** `lanes.lightAlone` and `lanes.lightBesideHeavy`: what a light workflow notices of one that takes 50 ms of CPU a run, at saturation. */
export async function runLanesBench(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  options.onProgress('starting a server');
  const server = await startBenchServer(null, { definitions: [heavyWorkflow(heavyLoops())] });
  try {
    await untilLanesAreUp(server.port);
    const show = showRound(options);
    const light = orderLoad(server.port, '/bench/ephemeral', lightConnections, options);
    const heavy = heavyLoad(server.port, options);
    const alone: LoadResult[] = [];
    const beside: LoadResult[] = [];
    const heavies: LoadResult[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      alone.push(await generateLoad(light));
      show('lanes.lightAlone', round, alone.at(-1) as LoadResult);
      const heavyDone = generateLoad(heavy);
      beside.push(await generateLoad({ ...light, warmUpMs: options.warmUpMs + settlingMs }));
      show('lanes.lightBesideHeavy', round, beside.at(-1) as LoadResult);
      heavies.push(await heavyDone);
      show('the heavy one', round, heavies.at(-1) as LoadResult);
    }
    const aloneRow = measurementOf('lanes.lightAlone', medianOf(alone));
    const besideRow = measurementOf('lanes.lightBesideHeavy', medianOf(beside));
    besideRow.errors += medianOf(heavies).errors;
    return {
      machine,
      rows: [
        judge(aloneRow),
        // The bar is about the slowest answers, so both are put as what one client gets at that pace.
        judge({ ...besideRow, perSecond: 1000 / besideRow.p99Ms, floor: 1000 / aloneRow.p99Ms }),
      ],
    };
  } finally {
    await server.stop();
  }
}

function heavyWorkflow(loops: number): object {
  return {
    format: 1,
    name: 'heavy',
    triggers: [{ type: 'http', method: 'POST', path: '/bench/heavy' }],
    durability: 'ephemeral',
    nodes: {
      burn: {
        type: 'code',
        code: `let n = 0;\nfor (let i = 0; i < ${loops}; i++) n = (n * 31 + i) | 0;\nreturn { heavy: n !== 0.5 };`,
      },
    },
  };
}

/** Loops that take `heavyCpuMs` of CPU on this machine. */
function heavyLoops(): number {
  const burn = (loops: number): number => {
    let n = 0;
    for (let i = 0; i < loops; i++) n = (n * 31 + i) | 0;
    return n;
  };
  const sample = 20_000_000;
  let bestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const before = process.cpuUsage();
    burn(sample);
    bestMs = Math.min(bestMs, process.cpuUsage(before).user / 1000);
  }
  return Math.round((sample * heavyCpuMs) / bestMs);
}

function heavyLoad(port: number, { durationMs, warmUpMs }: BenchOptions): LoadOptions {
  return {
    host: '127.0.0.1',
    port,
    paths: ['/bench/heavy'],
    method: 'POST',
    body: '{}',
    connections: heavyConnections,
    warmUpMs: warmUpMs + settlingMs,
    // The light load's process starts later.
    durationMs: durationMs + 1_000,
    expected: { status: 200, body: heavyAnswer },
  };
}
