import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { abuseForms, abuseWorkflows, smuggledWorkflow } from './forms.ts';
import { play, unexpected } from './play.ts';
import { readMetrics, readSettledState, untilBackTo } from './server-state.ts';

const bodySizeMax = 64 * 1024;
/** Of each form; `npm run abuse` plays 20,000. */
const count = 200;
const atOnce = 25;
/** They wait for a time of the server to pass, so all at once, beside the others. */
const slowForms = /do not come to an end|without a word|a body too large/;

test('every form of abuse gets its answer, and the server is then back at what it held before', async (t) => {
  const server = await startNflowServer(t, {
    workflows: abuseWorkflows,
    egressAllow: [],
    env: { NFLOW_SERVER__REQUEST_TIMEOUT: '2s', NFLOW_SERVER__MAX_BODY_BYTES: String(bodySizeMax) },
  });
  const port = Number(new URL(server.address).port);
  const forms = abuseForms({ bodySizeMax });
  // Once round: what is made at the first use is not left behind.
  for (const form of forms.filter(({ name }) => !slowForms.test(name))) await play(form, port, 20, 20);
  const before = await readSettledState(server);

  const slow = forms
    .filter(({ name }) => slowForms.test(name))
    .map((form) => ({ form, played: play(form, port, count, count) }));
  for (const form of forms.filter(({ name }) => !slowForms.test(name))) {
    const played = await play(form, port, count, atOnce);
    assert.deepEqual(unexpected(played, form), [], form.name);
  }
  for (const { form, played } of slow) assert.deepEqual(unexpected(await played, form), [], form.name);

  const after = await untilBackTo(before, server);
  t.diagnostic(JSON.stringify({ before, after }));
  assert.ok(!(await readMetrics(server)).includes(`workflow="${smuggledWorkflow}"`), 'nothing was smuggled in');
  const answer = await fetch(`${server.address}/abuse`, {
    method: 'POST',
    body: '{"n":7}',
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(((await answer.json()) as { n: number }).n, 7);
  await server.stop();
});
