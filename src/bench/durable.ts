import { startBareServer } from './bare.ts';
import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { compareLoads, measurementOf } from './load.ts';
import { describeMachine } from './machine.ts';
import { startBenchServer } from './nflow-server.ts';
import { orderJson, orderTotalJson } from './order.ts';
import { orderLoad, showRound } from './order-load.ts';
import { measureWithWrk } from './wrk.ts';

const connections = 128;

/**
 * `http.durable` at 128 connections, one client, and one client with an unsafe effect. The bare server is the floor of the first
 * two and, with a request of its own behind it, the target of the effect.
 */
export async function runDurableBench(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const bare = await startBareServer(orderTotalJson);
  try {
    options.onProgress('starting a server');
    const server = await startBenchServer(bare.port);
    try {
      const many = await compareLoads(
        {
          'http.bare': orderLoad(bare.port, '/', connections, options),
          'http.durable': orderLoad(server.port, '/bench/durable', connections, options),
        },
        options.rounds,
        showRound(options),
      );
      const pssMiB = server.memoryMiB();
      const one = await compareLoads(
        {
          bareOneClient: orderLoad(bare.port, '/', 1, options),
          'http.durableOneClient': orderLoad(server.port, '/bench/durable', 1, options),
          'durable.oneEffect': orderLoad(server.port, '/bench/one-effect', 1, options),
        },
        options.rounds,
        showRound(options),
      );
      const floor = one.bareOneClient.perSecond;
      const report: BenchReport = {
        machine,
        rows: [
          judge(measurementOf('http.bare', many['http.bare'])),
          judge({ ...measurementOf('http.durable', many['http.durable']), floor: many['http.bare'].perSecond, pssMiB }),
          judge({ ...measurementOf('http.durableOneClient', one['http.durableOneClient']), floor }),
          judge({ ...measurementOf('durable.oneEffect', one['durable.oneEffect']), floor }),
        ],
      };
      const bareByWrk = measureWithWrk(`http://127.0.0.1:${bare.port}/`, orderJson, connections, options.durationMs);
      if (bareByWrk !== null) {
        const url = `http://127.0.0.1:${server.port}/bench/durable`;
        const ours = measureWithWrk(url, orderJson, connections, options.durationMs);
        if (ours !== null) report.wrk = { 'http.durable': ours / bareByWrk };
      }
      return report;
    } finally {
      await server.stop();
    }
  } finally {
    await bare.stop();
  }
}
