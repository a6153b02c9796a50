/** What options take, beside texts. Wrong ones are errors of usage. */
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/duration.ts';

export function parseWholeNumber(most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1 && number <= most) return number;
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`);
  };
}

/** A time as RFC 3339 text, from a date, a time, or a duration before now. */
export function parseTime(text: string): string {
  const agoMs = parseDuration(text);
  const isDate = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text);
  const time = agoMs !== null ? new Date(Date.now() - agoMs) : isDate ? new Date(text) : null;
  if (time !== null && !Number.isNaN(time.getTime())) return time.toISOString();
  throw new InvalidArgumentError('Expected a time such as 2026-11-25T09:30, or how long ago, such as 15m or 2d.');
}

/** For an option that is given several times, or once with commas. */
export function collectNames(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',').map((name) => name.trim())].filter((name) => name !== '');
}
