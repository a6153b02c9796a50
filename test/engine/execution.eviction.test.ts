import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { Execution } from '../../src/engine/execution.ts';
import type { Answer } from '../../src/engine/port.ts';
import type { Program } from '../../src/protocol/program.ts';
import { burn } from '../dispatch/dispatched.ts';
import {
  activate,
  createHost,
  LossyDispatcher,
  MemoryLedger,
  OrderedEffects,
  startOf,
  startTestDispatcher,
} from '../support/execution-harness.ts';
import { randomProgram, seededRandom } from '../support/random-program.ts';

const programs = Number(process.env.NFLOW_TEST_PROGRAMS ?? 18);
const firstSeed = Number(process.env.NFLOW_TEST_SEED ?? 1);
const atOnce = 6;

let roomy: RunnerDispatcher;
let crowded: RunnerDispatcher;
before(async () => {
  // One VM in each runner: whatever starts or comes back puts somebody else out.
  [roomy, crowded] = await Promise.all([startTestDispatcher(), startTestDispatcher({ maxSize: 1, slowRunners: 1 })]);
});
after(() => Promise.all([roomy.close(), crowded.close()]));

interface Pass {
  output: string;
  performed: string[];
}

/** A random program under a name of its own; every third one has a segment over the fast budget somewhere. */
function programOf(seed: number): Program {
  const program = randomProgram(seed);
  const random = seededRandom(seed * 31);
  const node = program.nodes[Math.floor(random() * program.nodes.length)];
  if (seed % 3 === 0 && node?.type === 'code') node.code.source = `{ ${burn(40)} }\n${node.code.source}`;
  return { ...program, workflow: `random-${seed}` };
}

/** Runs it to its answer; effects are answered only while nothing of this execution is on its way. */
async function run(dispatcher: RunnerDispatcher, program: Program): Promise<Pass> {
  const effects = new OrderedEffects();
  const watched = new LossyDispatcher(dispatcher, () => false);
  const host = createHost(watched, effects, new MemoryLedger(), { nowMs: 1_700_000_000_001 }, effects);
  let answer: Answer | null = null;
  const workflow = activate(program, { timeoutMs: 240_000 });
  const execution = new Execution(host, startOf(workflow, program.workflow), (given) => {
    answer = given;
  });
  execution.begin();
  for (let idle = 0; answer === null; ) {
    await setImmediate();
    if (watched.busy > 0) idle = 0;
    else if (++idle >= 4) {
      idle = 0;
      if (!effects.answerOne()) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  const { body, error } = answer as Answer;
  const output = error === null ? Buffer.from(body ?? []).toString() : `${error.code}: ${error.message}`;
  return { output, performed: effects.performed.toSorted() };
}

test('runs that leave their VM at any wait, and are in the way of each other, give the same output and the same list of effects', {
  timeout: 290_000,
}, async (t) => {
  for (let seed = firstSeed; seed < firstSeed + programs; seed += atOnce) {
    const batch = Array.from({ length: atOnce }, (_, i) => programOf(seed + i));
    const alone: Pass[] = [];
    for (const program of batch) alone.push(await run(roomy, program));
    const together = await Promise.all(batch.map((program) => run(crowded, program)));
    for (const [i, pass] of together.entries()) {
      assert.equal(pass.output, alone[i]?.output, `output of the program with seed ${seed + i}`);
      assert.deepEqual(pass.performed, alone[i]?.performed, `effects of the program with seed ${seed + i}`);
    }
  }
  const { evictedTotal, handoffsTotal, exhaustedTotal } = crowded.stats();
  // How many there are depends on who comes in between: on a machine with nothing else to do, few.
  t.diagnostic(`${evictedTotal} evictions, ${handoffsTotal} hand-offs`);
  assert.ok(evictedTotal + handoffsTotal > 0, 'nobody was put out');
  assert.equal(exhaustedTotal, 0);
});
