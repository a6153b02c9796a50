import assert from 'node:assert/strict';
import test from 'node:test';
import { Broken, describeCounterexample, explore, type Model } from './explore.ts';

interface Counter {
  n: number;
}

/** Counts up to three, by ones, and by twos as a fault. */
function counter(change: Partial<Model<Counter>> = {}): Model<Counter> {
  return {
    initial: { n: 0 },
    actions: ({ n }) => {
      const step = (by: number, fault: boolean) => ({
        label: `+${by}`,
        fault,
        apply(next: Counter) {
          next.n += by;
        },
      });
      return n >= 3 ? [] : [step(1, false), step(2, true)];
    },
    check: () => null,
    isSettled: ({ n }) => n >= 3,
    ...change,
  };
}

test('every reachable state is visited once', () => {
  assert.deepEqual(explore(counter()), { states: 5, transitions: 6, counterexample: null });
});

test('a wrong state is found by a shortest trace', () => {
  const { counterexample } = explore(counter({ check: ({ n }) => (n === 3 ? 'three' : null) }));
  assert.deepEqual(counterexample, { problem: 'three', trace: ['+1', '+2'], state: '{"n":3}' });
});

test('an action that breaks a rule ends the trace', () => {
  const model = counter();
  const actions = (state: Counter) =>
    model.actions(state).map((action) => ({
      ...action,
      apply(next: Counter) {
        action.apply(next);
        if (next.n === 4) throw new Broken('four');
      },
    }));
  const exploration = explore({ ...model, actions });
  assert.deepEqual(exploration.counterexample?.trace, ['+2', '+2']);
  assert.equal(describeCounterexample(exploration), 'four (after 4 states)\n   1. +2\n   2. +2');
});

test('an error in a model is not taken for a counterexample', () => {
  assert.throws(() => explore(counter({ check: () => JSON.parse('{') })), SyntaxError);
});

test('a state from which nothing settled can be reached is found', () => {
  // By ones it arrives at three; two faults lead to four, which is an end as well, but not a good one.
  const { counterexample } = explore(counter({ isSettled: ({ n }) => n === 3 }));
  assert.match(counterexample?.problem ?? '', /^stuck/);
  assert.deepEqual(counterexample?.trace, ['+2', '+2']);
});

test('a state that only a fault could settle is stuck', () => {
  const model = counter();
  const actions = (state: Counter) => model.actions(state).filter(({ fault }) => fault || state.n < 2);
  const { counterexample } = explore({ ...model, actions });
  assert.match(counterexample?.problem ?? '', /^stuck/);
  assert.deepEqual(counterexample?.trace, []);
});

test('a model that grows past its limit is refused', () => {
  const endless = counter({ actions: () => [{ label: '+1', fault: false, apply: (next) => void next.n++ }] });
  assert.throws(() => explore(endless, 1000), /more than 1000 states/);
});
