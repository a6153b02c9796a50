/** Kinds of values that many schemas have. */
import { z } from 'zod';
import { workflowNameExpected, workflowNamePattern } from '../../../workflow/names.ts';

export const workflowName = z.string(workflowNameExpected).regex(workflowNamePattern, workflowNameExpected);

/** RFC 3339, UTC, milliseconds. */
export const time = z.iso.datetime({ precision: 3, error: 'a time such as 2026-01-31T08:00:00.000Z' });

/** A time from a client: any offset. */
export const givenTime = z.iso.datetime({
  offset: true,
  error: 'a time with its offset, such as 2026-01-31T08:00:00Z or 2026-01-31T09:00:00.5+01:00',
});

/** Any JSON value. */
export const json = z.unknown().describe('Any JSON value');

/** PostgreSQL has no text with U+0000. */
export function isStorable(text: string): boolean {
  return !text.includes('\0');
}

const textMax = 200;
const textExpected = `1 to ${textMax} characters, none of them U+0000`;
export const searchedText = z
  .string(textExpected)
  .min(1, textExpected)
  .max(textMax, textExpected)
  .refine(isStorable, textExpected);

const cursorExpected = 'nextCursor of the page before';
export const cursor = z.string(cursorExpected).min(1, cursorExpected).max(500, cursorExpected).describe(cursorExpected);

const pageMax = 500;
export const pageLimit = z.coerce
  .number({ error: `a whole number from 1 to ${pageMax}` })
  .int(`a whole number from 1 to ${pageMax}`)
  .min(1, `a whole number from 1 to ${pageMax}`)
  .max(pageMax, `a whole number from 1 to ${pageMax}`)
  .default(50)
  .describe('Items of a page');

/** A page of a list. `nextCursor` is null on the last one. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });
}

export const versionNumber = z.int('a version number, from 1').min(1, 'a version number, from 1');
