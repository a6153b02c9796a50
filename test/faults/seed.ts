import type { TestContext } from 'node:test';
import { seededRandom } from '../support/random-program.ts';

export interface Seeded {
  seed: number;
  /** From 0 up to, not including, `end`. */
  below(end: number): number;
}

/** Another seed every time, printed; `NFLOW_TEST_SEED` repeats one. */
export function seededFrom(test: TestContext): Seeded {
  const seed = Number(process.env.NFLOW_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  test.diagnostic(`NFLOW_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  return { seed, below: (end) => Math.floor(random() * end) };
}
