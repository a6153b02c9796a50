import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { overloadMistakes, overloadWorkflows, playOverload } from './overload.ts';

/** `npm run abuse` does it for a minute. */
const seconds = 5;

test('three times what it can do: the rest is refused at once, memory stays, and it is soon as before', {
  timeout: 200_000,
}, async (t) => {
  const server = await startNflowServer(t, { workflows: overloadWorkflows, egressAllow: [] });
  const report = await playOverload(server, seconds);
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(overloadMistakes(report), []);
  await server.stop();
});
