import assert from 'node:assert/strict';
import test from 'node:test';
import { describeCounterexample, explore } from './explore.ts';
import { createOwnershipModel, type Faults, noFaults } from './ownership-model.ts';
import { effectFree, type Program, parked, race, safeOnly, safeThenUnsafe } from './program.ts';
import { theRules } from './protocol.ts';

/** Every combination is explored to its end; `statesMin` shows that the faults took place. */
const explored: { program: Program; faults: Partial<Faults>; statesMin: number }[] = [
  { program: effectFree, faults: { crashes: 1, losses: 2, giveUps: 1, suspicions: 1 }, statesMin: 300 },
  { program: safeOnly, faults: { crashes: 1, losses: 1, giveUps: 1, suspicions: 1, lostVms: 1 }, statesMin: 1_000 },
  { program: safeThenUnsafe, faults: { crashes: 2 }, statesMin: 20_000 },
  { program: safeThenUnsafe, faults: { crashes: 1, losses: 1 }, statesMin: 10_000 },
  { program: safeThenUnsafe, faults: { suspicions: 1, losses: 1 }, statesMin: 5_000 },
  { program: safeThenUnsafe, faults: { freezes: 1, lostVms: 1 }, statesMin: 5_000 },
  { program: safeThenUnsafe, faults: { losses: 2, giveUps: 1 }, statesMin: 300 },
  { program: race, faults: { crashes: 1 }, statesMin: 10_000 },
  { program: race, faults: { suspicions: 1 }, statesMin: 10_000 },
  { program: race, faults: { losses: 1, giveUps: 1, lostVms: 1 }, statesMin: 3_000 },
  { program: parked, faults: { crashes: 1 }, statesMin: 5_000 },
  { program: parked, faults: { losses: 2, giveUps: 1 }, statesMin: 2_000 },
  { program: parked, faults: { suspicions: 1 }, statesMin: 2_000 },
];

for (const { program, faults, statesMin } of explored) {
  const budget = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
  test(`the protocol holds for "${program.name}" with ${budget.join(', ')}`, (t) => {
    const exploration = explore(createOwnershipModel(program, theRules, { ...noFaults, ...faults }));
    t.diagnostic(`${exploration.states} states, ${exploration.transitions} transitions`);
    assert.equal(exploration.counterexample, null, describeCounterexample(exploration));
    assert.ok(exploration.states >= statesMin, `only ${exploration.states} states were reached`);
  });
}
