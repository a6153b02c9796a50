import { startBareServer } from './bare.ts';
import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { compareLoads, measurementOf } from './load.ts';
import { describeMachine } from './machine.ts';
import { startBenchServer } from './nflow-server.ts';
import { orderJson, orderTotalJson } from './order.ts';
import { orderLoad, showRound } from './order-load.ts';
import { measureWithWrk } from './wrk.ts';

const connections = 32;

/** `http.ephemeral` at 32 connections and one client, each beside `http.bare` in alternating rounds. */
export async function runHttpBench(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const bare = await startBareServer(orderTotalJson);
  try {
    options.onProgress('starting a server');
    const server = await startBenchServer();
    try {
      const many = await compareLoads(
        {
          'http.bare': orderLoad(bare.port, '/', connections, options),
          'http.ephemeral': orderLoad(server.port, '/bench/ephemeral', connections, options),
        },
        options.rounds,
        showRound(options),
      );
      const pssMiB = server.memoryMiB();
      const one = await compareLoads(
        {
          bareOneClient: orderLoad(bare.port, '/', 1, options),
          'http.ephemeralOneClient': orderLoad(server.port, '/bench/ephemeral', 1, options),
        },
        options.rounds,
        showRound(options),
      );
      const report: BenchReport = {
        machine,
        rows: [
          judge(measurementOf('http.bare', many['http.bare'])),
          judge({
            ...measurementOf('http.ephemeral', many['http.ephemeral']),
            floor: many['http.bare'].perSecond,
            pssMiB,
          }),
          judge({
            ...measurementOf('http.ephemeralOneClient', one['http.ephemeralOneClient']),
            floor: one.bareOneClient.perSecond,
          }),
        ],
      };
      const floor = measureWithWrk(`http://127.0.0.1:${bare.port}/`, orderJson, connections, options.durationMs);
      if (floor !== null) {
        const ours = measureWithWrk(
          `http://127.0.0.1:${server.port}/bench/ephemeral`,
          orderJson,
          connections,
          options.durationMs,
        );
        if (ours !== null) report.wrk = { 'http.ephemeral': ours / floor };
      }
      return report;
    } finally {
      await server.stop();
    }
  } finally {
    await bare.stop();
  }
}
