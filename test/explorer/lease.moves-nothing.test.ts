import assert from 'node:assert/strict';
import test from 'node:test';
import { describeCounterexample, explore } from './explore.ts';
import { createLeaseModel, type LeaseRules, type LeaseState, theLeaseRules } from './lease-model.ts';

/** Wall clocks more than two leases apart. */
const skewUnits = 14;

function exploreLease(left: LeaseState['left'], change: Partial<LeaseRules> = {}) {
  return explore(createLeaseModel({ ...theLeaseRules, ...change }, skewUnits, left));
}

test('outages of PostgreSQL, however long, move nothing', () => {
  const exploration = exploreLease({ outages: 3, cuts: 0, crashes: 0 });
  assert.equal(exploration.counterexample, null, describeCounterexample(exploration));
  assert.ok(exploration.states > 500, `only ${exploration.states} states`);
});

test('who is dead or cut off is taken over, and nobody else; who is taken over lets no effect leave', () => {
  const exploration = exploreLease({ outages: 1, cuts: 1, crashes: 1 });
  assert.equal(exploration.counterexample, null, describeCounterexample(exploration));
  assert.ok(exploration.states > 5_000, `only ${exploration.states} states`);
});

const broken: { rule: string; change: Partial<LeaseRules>; left: LeaseState['left']; problem: RegExp }[] = [
  {
    rule: 'ages are told by time stamps of wall clocks',
    change: { judges: 'time stamps' },
    left: { outages: 0, cuts: 0, crashes: 0 },
    problem: /^F9/,
  },
  {
    rule: 'what was seen through a lost connection goes on counting',
    change: { forgetsWhenDisconnected: false },
    left: { outages: 1, cuts: 0, crashes: 0 },
    problem: /^F9/,
  },
  {
    rule: 'a gateway without a beat lets effects leave for a whole lease and more',
    change: { mayActUnits: theLeaseRules.leaseUnits + 1 },
    left: { outages: 0, cuts: 1, crashes: 0 },
    problem: /still lets effects leave/,
  },
  {
    rule: 'the beat is as slow as the lease',
    change: { beatUnits: theLeaseRules.leaseUnits },
    left: { outages: 0, cuts: 0, crashes: 0 },
    problem: /^F9/,
  },
];

for (const { rule, change, left, problem } of broken) {
  test(`it is caught when ${rule}`, (t) => {
    const exploration = exploreLease(left, change);
    t.diagnostic(describeCounterexample(exploration));
    assert.match(exploration.counterexample?.problem ?? 'nothing was found', problem);
  });
}
