/** The load that the HTTP benches share: the order, its one right answer, and how a round is shown. */
import type { BenchOptions } from './bench.ts';
import type { LoadOptions, LoadResult } from './load-generator.ts';
import { orderJson, orderTotalJson } from './order.ts';

export function orderLoad(
  port: number,
  path: string,
  connections: number,
  { durationMs, warmUpMs }: Pick<BenchOptions, 'durationMs' | 'warmUpMs'>,
): LoadOptions {
  return {
    host: '127.0.0.1',
    port,
    paths: [path],
    method: 'POST',
    body: orderJson,
    connections,
    warmUpMs,
    durationMs,
    expected: { status: 200, body: orderTotalJson },
  };
}

export function showRound({ rounds, onProgress }: BenchOptions) {
  return (name: string, round: number, { perSecond, p50Ms, errors, firstError }: LoadResult): void => {
    const figures = `${Math.round(perSecond).toLocaleString('en')}/s, p50 ${p50Ms.toFixed(2)} ms`;
    const wrong = errors === 0 ? '' : `, ${errors} errors; the first: ${firstError}`;
    onProgress(`${name} ${round}/${rounds}: ${figures}${wrong}`);
  };
}
