import assert from 'node:assert/strict';
import test from 'node:test';
import { describeCounterexample, explore } from './explore.ts';
import { createOwnershipModel, type Faults, noFaults } from './ownership-model.ts';
import { type Program, parked, race, safeThenUnsafe } from './program.ts';
import { type Rules, theRules } from './protocol.ts';

/** Each rule that is broken must be found out, and by what it is there for. */
const mutations: {
  rule: string;
  change: Partial<Rules>;
  program: Program;
  faults: Partial<Faults>;
  problem: RegExp;
}[] = [
  {
    rule: 'the fence is in the WHERE of the insert instead of a row lock',
    change: { fence: 'where' },
    program: safeThenUnsafe,
    faults: { suspicions: 1 },
    problem: /^F7: .* after gateway A was set dead/,
  },
  {
    rule: 'a refused batch is taken for a committed one',
    change: { whenFenced: 'go-on' },
    program: safeThenUnsafe,
    faults: { suspicions: 1 },
    problem: /^F3: .* before the execution has a row/,
  },
  {
    rule: 'the taker reads the journal before it sets the owner dead',
    change: { takerReads: 'before-dead' },
    program: safeThenUnsafe,
    faults: { suspicions: 1 },
    problem: /^F[27]/,
  },
  {
    rule: 'a taker whose commit was not answered forgets what it took',
    change: { takerFindsItsOwn: false },
    program: safeThenUnsafe,
    faults: { crashes: 1, losses: 1 },
    problem: /^stuck/,
  },
  {
    rule: 'an unsafe effect does not wait for the results that were delivered',
    change: { unsafeEffectWaitsFor: 'row' },
    program: safeThenUnsafe,
    faults: {},
    problem: /^F2: .* depends on/,
  },
  {
    rule: 'an unsafe effect waits for nothing',
    change: { unsafeEffectWaitsFor: 'nothing' },
    program: safeThenUnsafe,
    faults: {},
    problem: /^F3: .* before the execution has a row/,
  },
  {
    rule: 'the answer does not wait for the commit',
    change: { answerWaitsForCommit: false },
    program: safeThenUnsafe,
    faults: {},
    problem: /^F1: the client was answered/,
  },
  {
    rule: 'the execution ends while effects that it did not await are open',
    change: { endWaitsForOpenEffects: false },
    program: race,
    faults: {},
    problem: /has ended and .* is not recorded/,
  },
  {
    rule: 'updates do not say WHERE owner = me',
    change: { updatesCheck: 'nothing' },
    program: parked,
    faults: { losses: 1 },
    problem: /^F[127]|^stuck/,
  },
  {
    rule: 'updates say WHERE owner = me, but not which claim',
    change: { updatesCheck: 'owner' },
    program: parked,
    faults: { losses: 1 },
    problem: /^F7: gateway . is live and runs the execution/,
  },
  {
    rule: 'a gateway forgets an execution whose start was not answered in time',
    change: { afterGivingUp: 'forget' },
    program: safeThenUnsafe,
    faults: { losses: 1, giveUps: 1 },
    problem: /^stuck/,
  },
  {
    rule: 'a gateway settles such an execution by an update, which does not wait for the insert that is still under way',
    change: { afterGivingUp: 'end' },
    program: safeThenUnsafe,
    faults: { losses: 1, giveUps: 1 },
    problem: /^stuck/,
  },
  {
    rule: 'a transaction that a frozen gateway left open is never ended',
    change: { openTransactionsEnd: false },
    program: safeThenUnsafe,
    faults: { freezes: 1 },
    problem: /^stuck/,
  },
  {
    rule: 'a replay delivers by number instead of in the recorded order',
    change: { replayOrder: 'by number' },
    program: race,
    faults: { crashes: 1 },
    problem: /^F[12]|the replay asks for/,
  },
  {
    rule: 'a replay sends effects again that are under way',
    change: { replayAttaches: false },
    program: race,
    faults: { lostVms: 1 },
    problem: /^F2: .* sent twice by one gateway/,
  },
];

for (const { rule, change, program, faults, problem } of mutations) {
  test(`it is caught when ${rule}`, (t) => {
    const exploration = explore(createOwnershipModel(program, { ...theRules, ...change }, { ...noFaults, ...faults }));
    t.diagnostic(describeCounterexample(exploration));
    assert.match(exploration.counterexample?.problem ?? 'nothing was found', problem);
  });
}

const redundant: Partial<Rules> = { takerIsFenced: false };

test('a taker need not prove that it is live: what it takes in vain is found again', () => {
  const faults = { ...noFaults, suspicions: 2 };
  const exploration = explore(createOwnershipModel(safeThenUnsafe, { ...theRules, ...redundant }, faults));
  assert.equal(exploration.counterexample, null, describeCounterexample(exploration));
});

test('every rule of the protocol is broken by one of the tests above', () => {
  const broken = new Set(
    [...mutations.map(({ change }) => change), redundant].flatMap((change) => Object.keys(change)),
  );
  assert.deepEqual(broken, new Set(Object.keys(theRules)));
});
