/** Figures of a fault test, for people: printed, and kept for the page that `npm run faults` writes. */
import { appendFileSync } from 'node:fs';
import type { TestContext } from 'node:test';

export interface FaultReport {
  fault: string;
  seed: number | null;
  figures: Record<string, number>;
}

/** Names the file that collects the reports of a run, one JSON text a line. */
export const reportFileVariable = 'NFLOW_TEST_FAULTS_REPORT';

export function report(test: TestContext, fault: string, seed: number | null, figures: object): void {
  const line: FaultReport = { fault, seed, figures: { ...figures } as Record<string, number> };
  test.diagnostic(JSON.stringify(line));
  const file = process.env[reportFileVariable];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}
