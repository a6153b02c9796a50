import assert from 'node:assert/strict';
import { evaluate } from './vm.ts';

const AsyncFunction = (async () => {}).constructor as new (...source: string[]) => (input: unknown) => Promise<unknown>;

/** Runs the body of a function of `input` in a VM and in Node itself: both must give the same JSON. */
export async function assertSameAsNode(source: string, input: unknown = {}): Promise<void> {
  const here = await new AsyncFunction('input', source)(structuredClone(input));
  const there = evaluate(source, { input });
  assert.deepEqual(there, JSON.parse(JSON.stringify(here ?? null)), source);
}
