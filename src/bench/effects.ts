import type { BenchOptions, BenchReport } from './bench.ts';
import { measureHttpEffects } from './http-effects.ts';
import { describeMachine } from './machine.ts';
import type { BenchRow } from './row.ts';
import { measureSqlEffects } from './sql-effects.ts';

/** Each measures one kind of effect beside the barest thing that does the same, with servers of its own. */
const measurements: readonly ((options: BenchOptions) => Promise<BenchRow[]>)[] = [
  measureHttpEffects,
  measureSqlEffects,
];

/** What effects cost: one after the other, so that none disturbs another. */
export async function runEffectsBench(options: BenchOptions): Promise<BenchReport> {
  const report: BenchReport = { machine: describeMachine(), rows: [] };
  for (const measure of measurements) report.rows.push(...(await measure(options)));
  return report;
}
