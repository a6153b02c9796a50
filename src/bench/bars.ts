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
  'start.cold': { must: 'p50 < 15 s', want: '< 1 s', isReached: ({ p50Ms }) => p50Ms < 15_000 },
  'start.warm': { must: 'p50 < 3 s', want: '< 1 s', isReached: ({ p50Ms }) => p50Ms < 3_000 },
  'start.10000workflows': { must: 'p50 < 10 s', want: null, isReached: ({ p50Ms }) => p50Ms < 10_000 },
  'route.10000workflows': {
    must: '< 1.2x the cost with 10',
    want: null,
    isReached: ({ ratioToFloor }) => (ratioToFloor ?? 0) > 1 / 1.2,
  },
  'cold.firstAnswer': { must: 'p50 < 30 ms', want: null, isReached: ({ p50Ms }) => p50Ms < 30 },
  'cold.firstAnswerWithUrl': { must: 'p50 < 60 ms', want: null, isReached: ({ p50Ms }) => p50Ms < 60 },
  'lanes.lightBesideHeavy': {
    must: 'p99 < 4x lanes.lightAlone',
    want: '< 2x',
    isReached: ({ ratioToFloor }) => (ratioToFloor ?? 0) > 1 / 4,
  },
  'waiting.200over50': { must: 'p99 < 100 ms, no 503', want: null, isReached: ({ p99Ms }) => p99Ms < 100 },
  'waiting.10000': { must: 'all succeed, < 400 MB more', want: null, isReached: ({ pssMiB }) => isWithin400Mb(pssMiB) },
  'waiting.8000sync': {
    must: 'all succeed, < 400 MB more',
    want: null,
    isReached: ({ pssMiB }) => isWithin400Mb(pssMiB),
  },
  'soak.1000000': {
    must: 'no error, memory flat: last tenth <= 1.1x the second and <= 1.05x the sixth, or 20 MiB more',
    want: null,
    isReached: ({ pssMiBByTenth }) => pssMiBByTenth === undefined || isFlat(pssMiBByTenth),
  },
  'effects.http': {
    must: '>= 0.60 of effects.bareProxy',
    want: null,
    isReached: ({ ratioToFloor }) => (ratioToFloor ?? 0) >= 0.6,
  },
  'effects.cachedHttp': {
    must: '>= 0.80 of the same without the call',
    want: null,
    isReached: ({ ratioToFloor }) => (ratioToFloor ?? 0) >= 0.8,
  },
  'sql.select': {
    must: '>= 0.60 of sql.bare',
    want: null,
    isReached: ({ ratioToFloor }) => (ratioToFloor ?? 0) >= 0.6,
  },
  'durable.oneEffect': { must: 'p50 < 5 ms', want: null, isReached: ({ p50Ms }) => p50Ms < 5 },
};

/** Where memory cannot be told, the errors alone decide. */
function isWithin400Mb(pssMiB: number | null): boolean {
  return pssMiB === null || pssMiB * 1024 * 1024 < 400e6;
}

/** What garbage that is not collected yet, and a VM more or less, may make of it. */
const unevenMiB = 20;

/**
 * Memory in each tenth of a run. The first is the warm-up. Against the second a leak shows at its largest, against the sixth what
 * a cache that fills up in the beginning would excuse.
 */
export function isFlat(tenthsMiB: readonly number[]): boolean {
  const [second, sixth, last] = [tenthsMiB[1] ?? 0, tenthsMiB[5] ?? 0, tenthsMiB[9] ?? 0];
  return last <= second + Math.max(second * 0.1, unevenMiB) && last <= sixth + Math.max(sixth * 0.05, unevenMiB);
}

/** Adds the ratio and the verdict. An answer that was not the right one fails the row, whatever its speed. */
export function judge(measurement: Measurement): BenchRow {
  const { floor = null, pssMiB = null, ...rest } = measurement;
  const row = { ...rest, floor, ratioToFloor: floor === null ? null : rest.perSecond / floor, pssMiB };
  const isReached = bars[row.name]?.isReached(row) ?? true;
  return { ...row, pass: isReached && row.errors === 0 && row.perSecond > 0 };
}
