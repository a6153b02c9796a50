import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClockWatch } from '../../src/store/clock-watch.ts';

const minuteMs = 60_000;
const dayMs = 1440 * minuteMs;
const startMs = Date.UTC(2031, 0, 1);

test('a clock that runs like the monotonic one is trusted, small corrections and long pauses included', () => {
  let monotonicMs = 0;
  const watch = new ClockWatch(() => monotonicMs);
  assert.equal(watch.observe(startMs), 0);
  for (const [passedMs, shownMs] of [
    [5 * minuteMs, 5 * minuteMs + 900],
    [30 * dayMs, 30 * dayMs - 2_000],
    [5 * minuteMs, 4 * minuteMs],
  ] as const) {
    monotonicMs += passedMs;
    assert.equal(watch.observe(startMs + monotonicMs + shownMs - passedMs), 0);
    assert.ok(watch.isTrusted);
  }
});

for (const stepMs of [365 * dayMs, -365 * dayMs, 11 * minuteMs]) {
  test(`after a step of ${stepMs / minuteMs} minutes a clock is not trusted for a day`, () => {
    let monotonicMs = 0;
    const watch = new ClockWatch(() => monotonicMs);
    watch.observe(startMs);
    monotonicMs = 5 * minuteMs;
    assert.equal(watch.observe(startMs + monotonicMs + stepMs), stepMs);
    assert.equal(watch.isTrusted, false);
    // Where it is now is where it goes on from.
    monotonicMs += dayMs - 1;
    assert.equal(watch.observe(startMs + monotonicMs + stepMs), 0);
    assert.equal(watch.isTrusted, false);
    monotonicMs += 1;
    assert.equal(watch.isTrusted, true);
  });
}
