import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpTrigger, okAnswer, RawClient, startServer, waitFor } from './server-under-test.ts';

const triggers = [{ trigger: httpTrigger({ method: 'GET' as const }) }];
const get = 'GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n';

test('a stopping server finishes what is open, refuses what comes, and says that it is not ready', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = null;
  using open = await RawClient.connect(under.port);
  using idle = await RawClient.connect(under.port);
  open.send(get);
  await waitFor(() => under.engine.pending.length === 1, 'the request');
  let isClosed = false;
  const closed = under.server.close(20_000).then(() => {
    isClosed = true;
  });

  idle.send(get);
  const refused = await idle.answer();
  assert.equal(refused.status, 503);
  assert.equal(JSON.parse(refused.body).code, 'draining');
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal(refused.headers.get('connection'), 'close');
  await idle.ended();

  const ready = await fetch(`${under.origin}/ready`);
  assert.equal(ready.status, 503);
  assert.deepEqual(((await ready.json()) as { reasons: string[] }).reasons, ['the server is stopping']);
  assert.equal((await fetch(`${under.origin}/health`)).status, 200);
  assert.equal(isClosed, false);

  under.engine.pending.splice(0)[0]?.(okAnswer());
  const answer = await open.answer();
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('connection'), 'close');
  await closed;
  await assert.rejects(fetch(`${under.origin}/health`));
});

test('after the drain time the connections are cut and the engine is told', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = null;
  using client = await RawClient.connect(under.port);
  client.send(get);
  await waitFor(() => under.engine.pending.length === 1, 'the request');
  await under.server.close(50);
  await client.ended();
  await waitFor(() => under.engine.left === 1, 'the engine to be told');
  assert.equal(client.unread, 0);
});

test('a server that never listened closes, also twice', async () => {
  await using under = await startServer({ triggers, port: null });
  assert.equal(under.server.address, null);
  await under.server.close(0);
  await under.server.close(0);
});

test('a port that is taken is told by its code', async () => {
  await using under = await startServer({ triggers });
  await assert.rejects(startServer({ triggers, port: under.port }), { code: 'EADDRINUSE' });
});
