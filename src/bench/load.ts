/** Load from a process of its own, in rounds that alternate between what is compared. */
import { startChild } from './child.ts';
import type { LoadOptions, LoadResult } from './load-generator.ts';
import type { Measurement } from './row.ts';
import { benchScript } from './script.ts';

export async function generateLoad(options: LoadOptions): Promise<LoadResult> {
  const child = startChild(benchScript('load-worker'));
  const result = child.message<LoadResult>();
  child.process.send(options);
  return await result;
}

/**
 * Measures several targets `rounds` times, one after the other in each round: a machine that slows down meanwhile slows all of
 * them. Returns the medians by target; errors are added up.
 */
export async function compareLoads<Targets extends Record<string, LoadOptions>>(
  targets: Targets,
  rounds: number,
  onRound: (name: string, round: number, result: LoadResult) => void,
): Promise<{ [Name in keyof Targets]: LoadResult }> {
  const measured = Object.entries(targets).map(([name, options]) => ({ name, options, results: [] as LoadResult[] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, options, results } of measured) {
      const result = await generateLoad(options);
      results.push(result);
      onRound(name, round, result);
    }
  }
  // The entries are those of `targets`: only the type does not know it.
  return Object.fromEntries(measured.map(({ name, results }) => [name, medianOf(results)])) as {
    [Name in keyof Targets]: LoadResult;
  };
}

export function medianOf(results: readonly LoadResult[]): LoadResult {
  const median = (pick: (result: LoadResult) => number): number => {
    const values = results.map(pick).sort((left, right) => left - right);
    const middle = values.length >> 1;
    return values.length % 2 === 1
      ? (values[middle] as number)
      : ((values[middle - 1] as number) + (values[middle] as number)) / 2;
  };
  return {
    answers: results.reduce((sum, { answers }) => sum + answers, 0),
    perSecond: median((result) => result.perSecond),
    meanMs: median((result) => result.meanMs),
    p50Ms: median((result) => result.p50Ms),
    p99Ms: median((result) => result.p99Ms),
    errors: results.reduce((sum, { errors }) => sum + errors, 0),
    firstError: results.find(({ firstError }) => firstError !== null)?.firstError ?? null,
  };
}

export function measurementOf(name: string, { perSecond, meanMs, p50Ms, p99Ms, errors }: LoadResult): Measurement {
  return { name, perSecond, meanMs, p50Ms, p99Ms, errors };
}
