import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startNflowServer } from '../support/nflow-server.ts';
import { AbuseClient } from './client.ts';
import { readSettledState } from './server-state.ts';

/** CPU of one run: the server can do about this many a second in one runner, on a core of its own. */
const runMs = 20;
const calmSeconds = 2;
/** Enough for all of its runners. */
const calmClients = 16;
const overloadSeconds = 5;
const overload = 3;
const roundsMax = 4;
/** What a refusal may take; tested at five times its value, and on a machine that the overload itself keeps busy. */
const refusalMs = 50 * 5;
/** After the load: back to normal in 5 s, tested at five times. */
const recoveryMs = 5_000 * 5;
const residentMiBMax = 400;

const request = 'POST /busy HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';

interface Seen {
  status: number;
  ms: number;
}

async function ask(port: number, n: number): Promise<Seen> {
  const startMs = performance.now();
  const client = await AbuseClient.connect(port, n);
  client?.send(request);
  const answer = (await client?.answer()) ?? null;
  client?.close();
  return { status: answer?.status ?? 0, ms: performance.now() - startMs };
}

/** Asks so many times a second, whatever becomes of it. */
async function drive(port: number, perSecond: number): Promise<Seen[]> {
  const asked: Promise<Seen>[] = [];
  const startMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < overloadSeconds * 1000; elapsedMs = performance.now() - startMs) {
    const due = (elapsedMs / 1000) * perSecond;
    while (asked.length < due) asked.push(ask(port, asked.length));
    await delay(5);
  }
  return Promise.all(asked);
}

function quantile(values: number[], share: number): number {
  return values.toSorted((left, right) => left - right)[Math.floor((values.length - 1) * share)] ?? 0;
}

test('three times what it can do: the rest is refused at once, memory stays, and it is soon as before', {
  timeout: 200_000,
}, async (t) => {
  const code = `let x = 0; for (let i = 0; i < ${runMs} * 100_000; i++) x = (x * 31 + i) | 0; return x;`;
  const server = await startNflowServer(t, {
    workflows: {
      busy: {
        format: 1,
        name: 'busy',
        triggers: [{ type: 'http', method: 'POST', path: '/busy' }],
        durability: 'ephemeral',
        nodes: { work: { type: 'code', code } },
      },
    },
    egressAllow: [],
  });
  const port = Number(new URL(server.address).port);
  await readSettledState(server);

  // What it can do: as many as a few clients get answered that ask again and again.
  let done = 0;
  const calmUntilMs = performance.now() + calmSeconds * 1000;
  const client = async (n: number): Promise<void> => {
    while (performance.now() < calmUntilMs) if ((await ask(port, n)).status === 200) done++;
  };
  await Promise.all(Array.from({ length: calmClients }, (_, n) => client(n)));
  const perSecond = done / calmSeconds;
  const before = await readSettledState(server);

  let seen: Seen[] = [];
  let rate = perSecond * overload;
  // Where other programs made way meanwhile, it is not three times any more.
  for (let round = 0; round < roundsMax; round++, rate *= 2) {
    seen = await drive(port, rate);
    if (seen.filter(({ status }) => status === 503).length > seen.length / 20) break;
  }
  const endMs = performance.now();
  const succeeded = seen.filter(({ status }) => status === 200);
  const refused = seen.filter(({ status }) => status === 503);
  const during = {
    asked: seen.length,
    perSecond: Math.round(perSecond),
    succeeded: succeeded.length,
    refused: refused.length,
  };
  const refusedMs = refused.map(({ ms }) => ms);
  t.diagnostic(
    JSON.stringify({
      ...during,
      p50Ms: quantile(refusedMs, 0.5),
      p90Ms: quantile(refusedMs, 0.9),
      maxMs: quantile(refusedMs, 1),
    }),
  );
  assert.equal(succeeded.length + refused.length, seen.length, 'every request was answered with a result or a 503');
  assert.ok(refused.length > seen.length / 20, 'it was too much');
  assert.ok(succeeded.length > perSecond, 'it went on working meanwhile');
  // The median: this process, which asks and measures, gets no more of the busy machine than the server.
  assert.ok(quantile(refusedMs, 0.5) < refusalMs, `refused within ${refusalMs} ms`);

  for (;;) {
    const { status, ms } = await ask(port, 0);
    if (status === 200 && ms < refusalMs) break;
    assert.ok(performance.now() - endMs < recoveryMs, `back to normal within ${recoveryMs} ms`);
  }
  const after = await readSettledState(server);
  assert.equal(after.gatewayPid, before.gatewayPid);
  assert.ok(
    after.residentMiB < before.residentMiB + residentMiBMax,
    `${after.residentMiB} MiB after ${before.residentMiB}`,
  );
  await server.stop();
});
