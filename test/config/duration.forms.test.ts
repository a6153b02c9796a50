import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../src/config/duration.ts';

test('a duration is a sum of units, the largest first', () => {
  const durations = {
    '200ms': 200,
    '30s': 30_000,
    '1h30m': 5_400_000,
    '2d': 172_800_000,
    '1.5h': 5_400_000,
    '0s': 0,
    '1m5ms': 60_005,
  };
  for (const [text, durationMs] of Object.entries(durations)) assert.equal(parseDuration(text), durationMs, text);
});

test('what is no duration is null', () => {
  const texts = [
    '',
    ' ',
    '5',
    '5 s',
    '30m1h',
    '1s1s',
    '-1s',
    '+1s',
    '.5s',
    '1.s',
    '1..5s',
    '1e3s',
    '1S',
    '1week',
    's',
    '99999999999999d',
  ];
  for (const text of texts) assert.equal(parseDuration(text), null, text);
});

test('a long text that is no duration is refused in no time', () => {
  assert.equal(parseDuration(`${'1'.repeat(100_000)}x`), null);
});

test('every formatted duration is parsed back to itself', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (durationMs) => {
      assert.equal(parseDuration(formatDuration(durationMs)), durationMs);
    }),
  );
  assert.equal(formatDuration(5_400_000), '1h30m');
  assert.equal(formatDuration(0), '0s');
  assert.throws(() => formatDuration(-1), RangeError);
});
