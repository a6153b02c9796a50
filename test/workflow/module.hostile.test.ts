import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { startTestDispatcher } from '../support/execution-harness.ts';
import { loadModules, placesOf } from './module-under-test.ts';

let dispatcher: RunnerDispatcher;

before(async () => {
  dispatcher = await startTestDispatcher();
});

after(() => dispatcher.close());

/** Enough for files that only build an object, also on a busy machine. */
const timeoutMs = 2_000;

const good = "export default { format: 1, name: 'good', nodes: { a: { type: 'end' } } };";

/** A busy machine may not get to the limit of memory, or through a dying process, in the time that a file has. */
const hostile: Record<string, { module: string; codes: string[] }> = {
  'an endless loop': { module: 'for (;;) {}', codes: ['evaluation-timeout'] },
  'a promise that never settles': { module: 'await new Promise(() => {});', codes: ['evaluation-failed'] },
  'an array that grows for ever': {
    module: 'const all = [];\nfor (;;) all.push(new Array(1000).fill(all));',
    codes: ['evaluation-crashed', 'evaluation-timeout'],
  },
  'an end of the whole process': {
    module: "'x'.repeat(2 ** 28).split('');",
    codes: ['evaluation-crashed', 'evaluation-timeout'],
  },
  'a look at the process': { module: 'export const env = process.env;', codes: ['evaluation-failed'] },
  'a way out by a constructor': {
    module: "export const out = console.log.constructor('return process')().exit();",
    codes: ['evaluation-failed'],
  },
  'a result that it makes itself': {
    module: 'JSON.stringify = () => "{}";\nthrow new Error("it could not be set");',
    codes: ['evaluation-failed'],
  },
};

for (const [what, { module, codes }] of Object.entries(hostile)) {
  test(`${what} in a workflow file is an error of that file alone`, async (t) => {
    const loaded = await loadModules(
      t,
      dispatcher,
      {
        'a-good.workflow.ts': good,
        'bad.workflow.ts': `${module}\nexport default {};`,
        'c-good.workflow.ts': good.replace("'good'", "'good-too'"),
      },
      { timeoutMs },
    );
    const [found, ...more] = placesOf(loaded).map((place) => place.replace(/:\d+:\d+/, ''));
    assert.ok(
      codes.some((one) => found === `bad.workflow.ts ${one}`),
      found ?? 'no finding',
    );
    assert.deepEqual(more, []);
    assert.deepEqual(
      loaded.workflows.map(({ name }) => name),
      ['good', 'good-too'],
    );
    assert.deepEqual(loaded.refused, ['bad.workflow.ts']);
  });
}

test('an effect of a workflow file never leaves', async (t) => {
  const module = "const answer = await fetch('http://127.0.0.1:1/');\nexport default answer;";
  const loaded = await loadModules(t, dispatcher, { 'a.workflow.ts': module });
  assert.deepEqual(
    loaded.findings.map(({ code }) => code),
    ['evaluation-effect'],
  );
});
