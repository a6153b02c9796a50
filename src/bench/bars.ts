/** What each row must reach, and what is wanted. Nothing else in the benches knows a threshold. */
import type { BenchRow, Measurement } from './row.ts';

interface Bar {
  /** As a person reads it. */
  must: string;
  want: string | null;
  isReached: (row: Omit<BenchRow, 'pass'>) => boolean;
}

const microsecondMs = 0.001;

export const bars: Readonly<Record<string, Bar>> = {
  'pool.acquireRelease': {
    must: 'mean < 2 us, > 500,000/s',
    want: '< 0.5 us',
    isReached: ({ meanMs, perSecond }) => meanMs < 2 * microsecondMs && perSecond > 500_000,
  },
  'pool.run': { must: 'mean < 25 us', want: '< 10 us', isReached: ({ meanMs }) => meanMs < 25 * microsecondMs },
  'http.ephemeral': {
    must: '>= 0.70 of http.bare',
    want: '>= 0.95',
    isReached: ({ ratioToFloor }) => (ratioToFloor ?? 0) >= 0.7,
  },
  'http.durable': {
    must: '>= 0.40 of http.bare, p99 < 50 ms',
    want: '>= 0.60',
    isReached: ({ ratioToFloor, p99Ms }) => (ratioToFloor ?? 0) >= 0.4 && p99Ms < 50,
  },
  'http.ephemeralOneClient': { must: 'p50 < 0.6 ms', want: null, isReached: ({ p50Ms }) => p50Ms < 0.6 },
  'http.durableOneClient': { must: 'p50 < 2 ms', want: null, isReached: ({ p50Ms }) => p50Ms < 2 },
  'durable.oneEffect': { must: 'p50 < 5 ms', want: null, isReached: ({ p50Ms }) => p50Ms < 5 },
};

/** Adds the ratio and the verdict. An answer that was not the right one fails the row, whatever its speed. */
export function judge(measurement: Measurement): BenchRow {
  const { floor = null, pssMiB = null, ...rest } = measurement;
  const row = { ...rest, floor, ratioToFloor: floor === null ? null : rest.perSecond / floor, pssMiB };
  const isReached = bars[row.name]?.isReached(row) ?? true;
  return { ...row, pass: isReached && row.errors === 0 && row.perSecond > 0 };
}
