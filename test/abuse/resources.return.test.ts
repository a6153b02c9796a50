/** Inside the server's own process, where timers can be counted; the engine is the test's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer, ExecutionRequest } from '../../src/engine/port.ts';
import { NflowError } from '../../src/errors.ts';
import { httpTrigger, okAnswer, startServer, waitFor } from '../server/server-under-test.ts';
import { abuseForms } from './forms.ts';
import { play, unexpected } from './play.ts';

const bodySizeMax = 64 * 1024;
const count = 40;

/** What the workflow of the forms answers. */
function answerOf({ body }: ExecutionRequest): Answer {
  try {
    const value = (JSON.parse(Buffer.from(body ?? '{}').toString('utf8')) ?? {}) as { n?: number; large?: number };
    const output = { ok: true, n: value.n ?? null, polluted: null, filling: 'x'.repeat(value.large ?? 0) };
    return okAnswer({ body: Buffer.from(JSON.stringify(output)) });
  } catch {
    return { executionId: null, status: 400, headers: null, body: null, error: new NflowError('bad_body', 'not JSON') };
  }
}

/** Timers, sockets and the rest that keeps this process busy, by kind. */
function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

test('after every form of abuse no timer, no socket, no byte and no run is left', async () => {
  await using under = await startServer({
    limits: { requestTimeoutMs: 1000, bodySizeMax },
    triggers: [{ trigger: httpTrigger({ path: '/abuse' }) }, { trigger: httpTrigger({ path: '/smuggled' }) }],
  });
  let open = 0;
  let smuggled = 0;
  under.engine.answerWith = null;
  const { execute } = under.engine;
  under.engine.execute = (request, onAnswer) => {
    const leave = execute.call(under.engine, request, onAnswer);
    open++;
    if (request.inputJson.includes('"/smuggled"')) smuggled++;
    // Later, as a real one: in the turn after the clients have left.
    setImmediate(() => {
      open--;
      onAnswer(answerOf(request));
    });
    return leave;
  };
  const before = activeResources();
  const forms = abuseForms({ bodySizeMax });
  const played = await Promise.all(
    forms.map(async (form) => ({ form, played: await play(form, under.port, count, count) })),
  );
  for (const { form, played: result } of played) assert.deepEqual(unexpected(result, form), [], form.name);

  const isBack = (): boolean =>
    Object.entries(activeResources()).every(([name, has]) => has <= (before[name] ?? 0) || name === 'Immediate');
  await waitFor(isBack, 'timers and sockets to be gone', 20_000).catch((error: Error) => {
    throw new Error(`${error.message}\nbefore: ${JSON.stringify(before)}\nnow: ${JSON.stringify(activeResources())}`);
  });
  assert.equal(under.server.openConnections, 0);
  assert.equal(under.server.inflightBytes, 0);
  assert.equal(open, 0);
  assert.equal(smuggled, 0, 'no request came out of what was another');
});
