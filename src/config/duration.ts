/**
 * Durations as people write them: `200ms`, `30s`, `1h30m`, `1.5h`, `2d`. Every unit once, the largest first.
 */

const unitsMs = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const pattern = /^(?:([\d.]+)d)?(?:([\d.]+)h)?(?:([\d.]+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$/;
const amountPattern = /^\d+(?:\.\d+)?$/;

/** What `parseDuration` accepts, for messages. */
export const durationExpected = 'a duration such as 200ms, 30s, 1h30m or 2d (units d, h, m, s, ms, the largest first)';

/** The duration in milliseconds, rounded to whole ones; null when the text is not a duration or is past 2^53 ms. */
export function parseDuration(text: string): number | null {
  const match = pattern.exec(text);
  if (match === null || text === '') return null;
  let totalMs = 0;
  for (let i = 0; i < unitsMs.length; i++) {
    const amount = match[i + 1];
    if (amount === undefined) continue;
    if (!amountPattern.test(amount)) return null;
    totalMs += Number(amount) * (unitsMs[i] as (typeof unitsMs)[number])[1];
  }
  totalMs = Math.round(totalMs);
  return Number.isSafeInteger(totalMs) ? totalMs : null;
}

/** The shortest exact spelling of whole milliseconds: 5_400_000 is `1h30m`, 0 is `0s`. */
export function formatDuration(durationMs: number): string {
  if (!Number.isSafeInteger(durationMs) || durationMs < 0) throw new RangeError(`not a duration: ${durationMs}`);
  let text = '';
  let rest = durationMs;
  for (const [unit, unitMs] of unitsMs) {
    const amount = Math.floor(rest / unitMs);
    if (amount === 0) continue;
    text += `${amount}${unit}`;
    rest -= amount * unitMs;
  }
  return text === '' ? '0s' : text;
}
