import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackOff } from '../../src/supervisor/back-off.ts';

test('the delay doubles with every short life, up to 5 s', () => {
  const backOff = new BackOff();
  const delays = Array.from({ length: 8 }, () => backOff.delayAfter(10));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test('a life of 30 s makes the next delay short again', () => {
  const backOff = new BackOff();
  for (let i = 0; i < 5; i++) backOff.delayAfter(10);
  assert.equal(backOff.delayAfter(30_000), 100);
});
