import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGranted, isGrantPattern } from '../../src/config/grants.ts';

const cases: [pattern: string, workflow: string, granted: boolean][] = [
  ['orders', 'orders', true],
  ['orders', 'orders-notify', false],
  ['orders-*', 'orders-notify', true],
  ['orders-*', 'orders-', true],
  ['orders-*', 'orders', false],
  ['*', 'anything', true],
  ['*-sync', 'orders-sync', true],
  ['*-sync', 'sync', false],
  ['a*b*c', 'a1b2c', true],
  ['a*b*c', 'acb', false],
  ['ab*ba', 'aba', false],
  ['ab*ba', 'abba', true],
];
for (const [pattern, workflow, granted] of cases) {
  test(`${pattern} ${granted ? 'grants' : 'does not grant'} to ${workflow}`, () => {
    assert.equal(isGranted([pattern], workflow), granted);
  });
}

test('without a pattern nobody is granted anything, and one of several is enough', () => {
  assert.equal(isGranted([], 'orders'), false);
  assert.equal(isGranted(['prices', 'orders'], 'orders'), true);
});

test('a pattern is made of what names of workflows are made of', () => {
  assert.ok(['*', 'orders-*', '*-sync'].every(isGrantPattern));
  assert.ok(!['', 'Orders', 'a b', 'a/*'].some(isGrantPattern));
});
