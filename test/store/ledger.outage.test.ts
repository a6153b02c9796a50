import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/port.ts';
import { until } from '../support/condition.ts';
import { makeEnd, makeEnded, makeStarted } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let dsn: string;
let store: Store;
let versionId: number;

before(async () => {
  postgres = await startTestPostgres();
});

after(() => postgres.stop());

beforeEach(async () => {
  dsn = await postgres.createDatabase();
  store = await openStore({ dsn, serverName: 'test', exclusive: true, unsafe: false, log: silentLog });
  versionId = (await store.workflows.publish('shop', '{}')).version.versionId;
});

afterEach(async () => {
  postgres.resume();
  await store.close(5_000);
});

const inMs = (durationMs: number) => performance.now() + durationMs;

function isUnavailable(error: unknown, outcome: string | undefined): boolean {
  return error instanceof NflowError && error.code === 'store_unavailable' && error.details.got === outcome;
}

async function withSql<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = await connect(parseDsn(dsn), 'test');
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Keeps `lanes` writers busy until told to stop; returns which ids were confirmed and which were given. */
function writeUnderLoad(lanes: number): { stop: () => Promise<{ given: string[]; confirmed: string[] }> } {
  let stopped = false;
  const given: string[] = [];
  const confirmed: string[] = [];
  const lane = async () => {
    while (!stopped) {
      const execution = makeEnded(versionId);
      given.push(execution.id);
      try {
        await store.ledger.end(execution, inMs(10_000));
        confirmed.push(execution.id);
      } catch {
        await delay(20);
      }
      await delay(2);
    }
  };
  const running = Array.from({ length: lanes }, lane);
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(running);
      return { given, confirmed };
    },
  };
}

async function presentIds(): Promise<string[]> {
  return withSql(async (client) => {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM nflow.executions');
    return rows.map(({ id }) => id);
  });
}

test('when PostgreSQL is killed under writes, what was confirmed is there, and the store goes on by itself', async () => {
  for (let round = 0; round < 2; round++) {
    const load = writeUnderLoad(30);
    await delay(100 + round * 70);
    await postgres.kill();
    await postgres.restart();
    await store.ledger.end(makeEnded(versionId), inMs(10_000));
    const { given, confirmed } = await load.stop();
    const present = new Set(await presentIds());
    assert.ok(confirmed.length > 0);
    assert.deepEqual(
      confirmed.filter((id) => !present.has(id)),
      [],
    );
    // Nobody else writes, and nothing was written twice: the primary key sees to it.
    assert.ok(given.length >= confirmed.length);
  }
});

test('a stopped PostgreSQL leads to rejections at the deadline, and to recovery without a restart', async () => {
  await store.ledger.end(makeEnded(versionId), inMs(5_000));
  postgres.pause();
  const beganMs = performance.now();
  const write = store.ledger.end(makeEnded(versionId), inMs(500));
  const sent = assert.rejects(write, (error) => isUnavailable(error, 'outcome unknown'));
  await until('the write to be sent', () => store.stats().poolInUse === 1);
  const queued = assert.rejects(store.ledger.end(makeEnded(versionId), inMs(500)), (error) =>
    isUnavailable(error, undefined),
  );
  await sent;
  await queued;
  const tookMs = performance.now() - beganMs;
  assert.ok(tookMs >= 490 && tookMs < 2_500, `rejected after ${tookMs} ms`);
  assert.equal(await store.isAvailable(), false);
  // Past the deadline of the batch: its connection is destroyed while PostgreSQL is still stopped.
  const patient = makeEnded(versionId);
  const written = store.ledger.end(patient, inMs(60_000));
  await delay(6_000);
  postgres.resume();
  await written;
  assert.equal((await store.history.get(patient.id))?.status, 'succeeded');
  await until('the store to be available', () => store.isAvailable());
  assert.equal(store.stats().pendingRows, 0);
  assert.ok(store.incarnation.mayAct);
});

test('a started execution whose start was given up is ended when its row turns out to be there', async () => {
  postgres.pause();
  const execution = makeStarted(versionId);
  const start = store.ledger.start(execution, [], inMs(300));
  const givenUp = assert.rejects(start, (error) => isUnavailable(error, 'outcome unknown'));
  await until('the start to be sent', () => store.stats().poolInUse > 0);
  await givenUp;
  // The backend was sent the batch: it commits it as soon as it runs again.
  postgres.resume();
  await until('nothing to wait', () => store.stats().pendingRows === 0);
  const stored = await store.history.get(execution.id);
  assert.equal(stored?.status, 'failed');
  assert.match(stored?.error ?? '', /store_unavailable/);
});

test('a finish goes on being sent after its caller was told that PostgreSQL is away', async () => {
  const execution = makeStarted(versionId);
  await store.ledger.start(execution, [], inMs(5_000));
  await postgres.kill();
  await assert.rejects(
    store.ledger.finish(execution.id, makeEnd({ output: '7' }), inMs(200)),
    (error) => error instanceof NflowError && error.code === 'store_unavailable',
  );
  const dropped = makeEnded(versionId);
  await assert.rejects(store.ledger.end(dropped, inMs(100)), (error) => isUnavailable(error, undefined));
  assert.equal(store.stats().pendingRows, 1, 'the finish waits, the end was dropped');
  await postgres.restart();
  await until('the finish to be written', () => store.stats().pendingRows === 0);
  assert.equal((await store.history.get(execution.id))?.output, '7');
  assert.equal(await store.history.get(dropped.id), null);
});

test('a batch that waits for a lock is sent again until it gets through', async () => {
  const execution = makeEnded(versionId);
  await withSql(async (client) => {
    await client.query('BEGIN');
    await client.query('LOCK TABLE nflow.executions IN ACCESS EXCLUSIVE MODE');
    const written = store.ledger.end(execution, inMs(60_000));
    // Past the statement timeout of the commit connection.
    await delay(4_500);
    await client.query('ROLLBACK');
    await written;
  });
  assert.equal((await store.history.get(execution.id))?.status, 'succeeded');
});

test('closing waits for what was given, and rejects what comes after', async () => {
  const executions = Array.from({ length: 50 }, () => makeEnded(versionId));
  const written = Promise.all(executions.map((execution) => store.ledger.end(execution, inMs(5_000))));
  await store.close(5_000);
  await written;
  await assert.rejects(store.ledger.end(makeEnded(versionId), inMs(1_000)), (error) => isUnavailable(error, undefined));
  assert.equal((await presentIds()).length, 50);
});
