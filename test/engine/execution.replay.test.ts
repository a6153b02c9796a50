import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { Execution } from '../../src/engine/execution.ts';
import { Journal } from '../../src/engine/journal.ts';
import type { Answer } from '../../src/engine/port.ts';
import type { Program } from '../../src/protocol/program.ts';
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

const programs = Number(process.env.NFLOW_TEST_PROGRAMS ?? 120);
const firstSeed = Number(process.env.NFLOW_TEST_SEED ?? 1);

let dispatcher: RunnerDispatcher;
before(async () => {
  dispatcher = await startTestDispatcher();
});
after(() => dispatcher.close());

interface Pass {
  output: string;
  performed: string[];
  losses: number;
  keys: Map<string, string[]>;
}

/** Drives one execution to its answer; effects are answered only while nothing is on its way. */
async function settle(lossy: LossyDispatcher, effects: OrderedEffects, isOver: () => boolean): Promise<void> {
  for (let idle = 0; !isOver(); ) {
    await setImmediate();
    if (lossy.busy > 0) {
      idle = 0;
      continue;
    }
    // A commit may be under way: an effect is answered only after a few quiet turns.
    if (++idle < 4) continue;
    idle = 0;
    if (!effects.answerOne()) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Loses every other segment, but not more than four times between two results: a run that never gets on is given up. */
function losesAtRandom(seed: number): (answered: number) => boolean {
  const random = seededRandom(seed);
  const losses = new Map<number, number>();
  return (answered) => {
    const count = losses.get(answered) ?? 0;
    if (count >= 4 || random() < 0.5) return false;
    losses.set(answered, count + 1);
    return true;
  };
}

async function runWithLosses(program: Program, loses: (answered: number) => boolean): Promise<Pass> {
  const effects = new OrderedEffects();
  const lossy = new LossyDispatcher(dispatcher, () => loses(effects.answered));
  const host = createHost(lossy, effects, new MemoryLedger(), { nowMs: 1_700_000_000_001 }, effects);
  let answer: Answer | null = null;
  const execution = new Execution(host, startOf(activate(program), 'execution'), (given) => {
    answer = given;
  });
  execution.begin();
  await settle(lossy, effects, () => answer !== null);
  const { body, error } = answer as unknown as Answer;
  const output = error === null ? Buffer.from(body ?? []).toString() : `${error.code}: ${error.message}`;
  return { output, performed: effects.performed, losses: lossy.losses, keys: effects.keys };
}

/** As above, but the whole gateway is lost after a random number of segments: only what the ledger committed is left. */
async function runWithGatewayDeaths(
  program: Program,
  seed: number,
): Promise<Pass & { deaths: number; repeated: string[] }> {
  const random = seededRandom(seed);
  const ledger = new MemoryLedger();
  const performed: string[] = [];
  const keys = new Map<string, string[]>();
  const repeated: string[] = [];
  const workflow = activate(program);
  const clock = { nowMs: 1_700_000_000_001 };
  let deaths = 0;
  for (;;) {
    const effects = new OrderedEffects();
    const lossy = new LossyDispatcher(dispatcher, () => false);
    // A dead gateway's ledger calls must not arrive: each life has a view of its own.
    let alive = true;
    const guarded = new Proxy(ledger, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) =>
          alive ? (value as (...g: unknown[]) => unknown).apply(target, given) : new Promise(() => {});
      },
    });
    const host = createHost(lossy, effects, guarded, clock, effects);
    const recorded = new Set(
      (ledger.records.get('execution') ?? []).filter((record) => record.seq > 0).map((record) => record.json),
    );
    let answer: Answer | null = null;
    let execution: Execution;
    const started = ledger.started.get('execution');
    if (started === undefined) {
      execution = new Execution(host, startOf(workflow, 'execution'), (given) => {
        answer = given;
      });
    } else {
      const journal = new Journal();
      journal.restore(ledger.records.get('execution') ?? []);
      execution = Execution.resume(
        host,
        { ...startOf(workflow, 'execution'), seed: started.seed, startedAtMs: started.startedAtMs },
        journal,
      );
    }
    const turns = deaths < 12 ? Math.floor(random() * 60) : Number.POSITIVE_INFINITY;
    execution.begin();
    let turn = 0;
    await settle(lossy, effects, () => execution.isOver || ++turn > turns);
    performed.push(...effects.performed);
    for (const [key, calls] of effects.keys) keys.set(key, [...(keys.get(key) ?? []), ...calls]);
    for (const call of effects.performed) if (recorded.has(call)) repeated.push(call);
    if (ledger.ended.has('execution')) {
      const end = ledger.ended.get('execution');
      const output = end?.output == null ? String(end?.error) : Buffer.from(end.output).toString();
      assert.equal(answer === null || ledger.ended.has('execution'), true);
      return { output, performed, losses: 0, keys, deaths, repeated };
    }
    alive = false;
    lossy.dropAll();
    deaths++;
  }
}

test('a run that is lost after every segment gives the same output and the same list of effects', async () => {
  let losses = 0;
  for (let seed = firstSeed; seed < firstSeed + programs; seed++) {
    const program = randomProgram(seed);
    const whole = await runWithLosses(program, () => false);
    const broken = await runWithLosses(program, losesAtRandom(seed));
    losses += broken.losses;
    assert.equal(broken.output, whole.output, `output of the program with seed ${seed}`);
    assert.deepEqual(
      broken.performed.toSorted(),
      whole.performed.toSorted(),
      `effects of the program with seed ${seed}`,
    );
  }
  assert.ok(losses > programs, `only ${losses} losses: the programs are too short to test anything`);
});

test('a gateway that dies at random moments goes on from what was committed, and repeats nothing that was recorded', async () => {
  let deaths = 0;
  for (let seed = firstSeed; seed < firstSeed + Math.ceil(programs / 2); seed++) {
    const pass = await runWithGatewayDeaths(randomProgram(seed), seed * 7919);
    deaths += pass.deaths;
    assert.doesNotMatch(pass.output, /nondeterministic|run_crashed/, `seed ${seed}`);
    assert.deepEqual(pass.repeated, [], `recorded effects that were performed again, seed ${seed}`);
    for (const [key, calls] of pass.keys) {
      assert.equal(new Set(calls).size, 1, `key ${key} stands for more than one call, seed ${seed}`);
    }
  }
  assert.ok(deaths > programs / 4, `only ${deaths} deaths`);
});
