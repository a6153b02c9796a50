/** What all benches take and give. */
import type { Machine } from './machine.ts';
import type { BenchRow } from './row.ts';

export interface BenchOptions {
  /** Of one measured round. */
  durationMs: number;
  warmUpMs: number;
  /** Rounds of each target; the medians count. */
  rounds: number;
  /** Called with a line of progress. */
  onProgress: (line: string) => void;
}

export const defaultBenchOptions: BenchOptions = {
  durationMs: 5_000,
  warmUpMs: 2_000,
  rounds: 3,
  onProgress: () => {},
};

/** What `--json` writes. */
export interface BenchReport {
  machine: Machine;
  rows: BenchRow[];
  /** Ratios that wrk found, by row, where it is installed. */
  wrk?: Record<string, number>;
}
