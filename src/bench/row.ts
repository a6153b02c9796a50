/** One figure of a bench, in the form in which `--json` keeps it. */
export interface BenchRow {
  name: string;
  perSecond: number;
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
  errors: number;
  /** Per second, of the barest thing that does the same job, measured in the same run; null when there is none. */
  floor: number | null;
  ratioToFloor: number | null;
  /** Memory of gateway and runners, each shared page counted once; null where no server is measured. */
  pssMiB: number | null;
  /** Of a soak: the mean of that memory in each tenth of its executions. */
  pssMiBByTenth?: readonly number[];
  /** Whether it reached the bar of `bars.ts`; true when it has none. */
  pass: boolean;
}

/** What is known before the bar is looked at. */
export type Measurement = Omit<BenchRow, 'ratioToFloor' | 'pass' | 'floor' | 'pssMiB'> &
  Partial<Pick<BenchRow, 'floor' | 'pssMiB'>>;
