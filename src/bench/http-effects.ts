/** What an HTTP effect costs, kept in the cache and not. */
import { startBareProxy, startBareServer } from './bare.ts';
import { judge } from './bars.ts';
import type { BenchOptions } from './bench.ts';
import { compareLoads, measurementOf } from './load.ts';
import { type BenchServer, startBenchServer } from './nflow-server.ts';
import { orderTotalCode, orderTotalJson } from './order.ts';
import { orderLoad, showRound } from './order-load.ts';
import type { BenchRow } from './row.ts';

const connections = 32;

/** Answers what the target answers to the order. */
function forwarding(targetPort: number): object {
  return {
    format: 1,
    name: 'forwarding',
    triggers: [{ type: 'http', method: 'POST', path: '/bench/forwarding' }],
    durability: 'ephemeral',
    nodes: {
      send: {
        type: 'http',
        method: 'POST',
        url: `http://127.0.0.1:${targetPort}/`,
        body: '{{ input.body }}',
        next: 'answer',
      },
      answer: { type: 'end', output: '{{ nodes.send.body }}' },
    },
  };
}

/** `order-total` with a call before it whose answer is kept. */
function withCachedCall(durability: 'durable' | 'ephemeral', targetPort: number): object {
  return {
    format: 1,
    name: `cached-call-${durability}`,
    triggers: [{ type: 'http', method: 'POST', path: `/bench/cached-call-${durability}` }],
    durability,
    nodes: {
      prices: { type: 'http', url: `http://127.0.0.1:${targetPort}/`, cache: { ttl: '1h' }, next: 'total' },
      total: { type: 'code', code: orderTotalCode },
    },
  };
}

/** A cached call beside none, and a call beside a bare proxy that makes the same one. */
export async function measureHttpEffects(options: BenchOptions): Promise<BenchRow[]> {
  const target = await startBareServer(orderTotalJson);
  try {
    const proxy = await startBareProxy(target.port);
    try {
      options.onProgress('starting a server');
      const server = await startBenchServer(target.port, {
        definitions: [
          forwarding(target.port),
          withCachedCall('durable', target.port),
          withCachedCall('ephemeral', target.port),
        ],
      });
      try {
        return [
          ...(await measureForwarding(proxy.port, server, options)),
          ...(await measureCachedCall('ephemeral', server, options)),
          ...(await measureCachedCall('durable', server, options)),
        ];
      } finally {
        await server.stop();
      }
    } finally {
      await proxy.stop();
    }
  } finally {
    await target.stop();
  }
}

async function measureForwarding(proxyPort: number, { port }: BenchServer, options: BenchOptions): Promise<BenchRow[]> {
  const loads = await compareLoads(
    {
      'effects.bareProxy': orderLoad(proxyPort, '/', connections, options),
      'effects.http': orderLoad(port, '/bench/forwarding', connections, options),
    },
    options.rounds,
    showRound(options),
  );
  const floor = loads['effects.bareProxy'].perSecond;
  return [
    judge(measurementOf('effects.bareProxy', loads['effects.bareProxy'])),
    judge({ ...measurementOf('effects.http', loads['effects.http']), floor }),
  ];
}

async function measureCachedCall(
  durability: 'durable' | 'ephemeral',
  { port }: BenchServer,
  options: BenchOptions,
): Promise<BenchRow[]> {
  const name = durability === 'durable' ? 'effects.cachedHttp' : 'effects.cachedHttpEphemeral';
  const loads = await compareLoads(
    {
      without: orderLoad(port, `/bench/${durability}`, connections, options),
      [name]: orderLoad(port, `/bench/cached-call-${durability}`, connections, options),
    },
    options.rounds,
    showRound(options),
  );
  const { without, [name]: cached } = loads;
  if (without === undefined || cached === undefined) throw new TypeError(`no load was measured for ${name}`);
  return [judge({ ...measurementOf(name, cached), floor: without.perSecond })];
}
