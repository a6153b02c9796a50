import { z } from 'zod';
import { durationExpected, parseDuration } from '../config/duration.ts';
import { workflowLimits } from './limits.ts';
import type { JsonValue } from './parse-file.ts';

/** What fields of workflow files are made of. The text given as `error` says what is allowed there. */

export const nodeReference = z.string({ error: 'the name of a node; leave it out to end the run there' });
export const errorReference = z.string({ error: 'the name of a node; leave it out to let the run fail' });
export const expression = z.string({ error: 'a JavaScript expression as a string' });

/** JSON whose texts may have `{{ … }}` in them. */
export function template(expected: string) {
  return z.custom<JsonValue>((value) => value !== undefined, { error: expected });
}

export function durationBetween(minMs: number, maxMs: number, expected: string) {
  const isAllowed = (text: string): boolean => {
    const durationMs = parseDuration(text);
    return durationMs !== null && durationMs >= minMs && durationMs <= maxMs;
  };
  return z.string({ error: expected }).refine(isAllowed, { error: expected });
}

export const timeout = durationBetween(1, workflowLimits.timeoutMsMax, `${durationExpected}, from 1ms to 24h`);

export function wholeNumber(min: number, max: number) {
  const expected = `a whole number from ${min} to ${max}`;
  return z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected });
}
