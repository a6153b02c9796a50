import assert from 'node:assert/strict';
import diagnosticsChannel from 'node:diagnostics_channel';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/port.ts';
import { makeEnd, makeEnded, makeRecord, makeStarted, makeUuid } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
let postgres: TestPostgres;
let store: Store;
let sql: pg.Client;
let versionId: number;

before(async () => {
  postgres = await startTestPostgres();
  const dsn = await postgres.createDatabase();
  store = await openStore({ dsn, serverName: 'test', exclusive: true, unsafe: false, log: silentLog });
  sql = await connect(parseDsn(dsn), 'test');
  versionId = (await store.workflows.publish('shop', '{}')).version.versionId;
});

after(async () => {
  await store.close(1_000);
  await sql.end();
  await postgres.stop();
});

/** Rows of each batch that was committed while `work` ran, most first. */
async function batchesOf(work: () => Promise<unknown>): Promise<number[]> {
  const batches: number[] = [];
  store.onCommit = (rows) => batches.push(rows);
  await work();
  store.onCommit = null;
  return batches.sort((a, b) => b - a);
}

test('an ended execution is read back as it was written', async () => {
  const execution = makeEnded(versionId, {
    status: 'failed',
    httpStatus: 422,
    durability: 'recorded',
    trigger: 'manual',
    output: null,
    error: '{"code":"workflow_failed"}',
    logs: '[["info","a"]]',
    effects: Buffer.from('[]'),
  });
  await store.ledger.end(execution, never);
  const stored = await store.history.get(execution.id);
  assert.ok(stored?.timing);
  assert.ok(stored.timing.batchWaitUs >= 0);
  assert.deepEqual(
    { ...stored, timing: { ...stored.timing, batchWaitUs: 0 } },
    {
      id: execution.id,
      workflow: 'shop',
      version: 1,
      versionId,
      status: 'failed',
      durability: 'recorded',
      trigger: 'manual',
      createdAt: stored.createdAt,
      startedAt: stored.createdAt,
      endedAt: new Date(stored.createdAt.getTime() + 5_000_000),
      httpStatus: 422,
      timing: { ...execution.timing, batchWaitUs: 0 },
      input: '{"method":"POST","body":{"items":[]}}',
      output: null,
      error: '{"code":"workflow_failed"}',
      trace: '[["price",1,1,12,34]]',
      effects: '[]',
      logs: '[["info","a"]]',
      journal: [],
      payloadBytes: 100,
      storedBytes: 100,
    },
  );
});

const inputs: [what: string, head: string | Uint8Array, body: string | Uint8Array | null, stored: string][] = [
  ['a head alone', '{"a":1}', null, '{"a":1}'],
  ['an empty head', '{}', '[1]', '{"body":[1]}'],
  ['a head with spaces at its end', Buffer.from('{ "a": 1 } \n'), Buffer.from('2'), '{ "a": 1 ,"body":2}'],
  ['an empty head with spaces', '{ }', '2', '{ "body":2}'],
  ['text beyond ASCII', '{"a":"ñ€😀"}', '"ñ"', '{"a":"ñ€😀","body":"ñ"}'],
  ['a raw NUL', '{"a":"\0"}', null, '{"a":"\0"}'],
  ['an escaped NUL and a lone surrogate', '{"a":"\\u0000\\ud800"}', null, '{"a":"\\u0000\\ud800"}'],
  ['bytes that are not UTF-8', '{}', Buffer.from([0x22, 0xff, 0x22]), '{"body":"\ufffd"}'],
  ['an empty text', '', null, ''],
];
for (const [what, inputHead, inputBody, expected] of inputs) {
  test(`an input of ${what} is stored`, async () => {
    const execution = makeEnded(versionId, { inputHead, inputBody });
    await store.ledger.end(execution, never);
    assert.equal((await store.history.get(execution.id))?.input, expected);
  });
}

test('what is given in one turn leaves in one batch, and never more than 500 rows', async () => {
  const batches = await batchesOf(() =>
    Promise.all(Array.from({ length: 1_200 }, () => store.ledger.end(makeEnded(versionId), never))),
  );
  assert.deepEqual(batches, [500, 500, 200]);
});

test('a batch is cut at 8 MiB', async () => {
  // The one payload that is never compressed.
  const error = 'x'.repeat(200 * 1024);
  const batches = await batchesOf(() =>
    Promise.all(Array.from({ length: 60 }, () => store.ledger.end(makeEnded(versionId, { error }), never))),
  );
  assert.deepEqual(batches, [40, 20]);
});

test('a row over 256 KiB leaves alone', async () => {
  const error = 'x'.repeat(300 * 1024);
  const batches = await batchesOf(() =>
    Promise.all([
      ...Array.from({ length: 10 }, () => store.ledger.end(makeEnded(versionId), never)),
      store.ledger.end(makeEnded(versionId, { error }), never),
      store.ledger.end(makeEnded(versionId, { error }), never),
    ]),
  );
  assert.deepEqual(batches, [10, 1, 1]);
});

test('repeating an end changes nothing', async () => {
  const execution = makeEnded(versionId, { output: '1' });
  await Promise.all([store.ledger.end(execution, never), store.ledger.end({ ...execution, output: '2' }, never)]);
  await store.ledger.end({ ...execution, output: '3' }, never);
  assert.equal((await store.history.get(execution.id))?.output, '1');
});

test('a row that cannot even be encoded fails alone, wherever it stands', async () => {
  for (const bad of [0, 57, 99]) {
    const executions = Array.from({ length: 100 }, () => makeEnded(versionId));
    executions[bad] = makeEnded(versionId, { id: 'no uuid at all' });
    const results = await Promise.allSettled(executions.map((execution) => store.ledger.end(execution, never)));
    assert.deepEqual(
      results.flatMap((result, index) => (result.status === 'rejected' ? [index] : [])),
      [bad],
    );
  }
});

test('a row that PostgreSQL refuses fails alone, with its reason', async () => {
  await sql.query('ALTER TABLE nflow.executions ADD CONSTRAINT no_teapots CHECK (http_status <> 418)');
  try {
    const executions = Array.from({ length: 50 }, (_, index) =>
      makeEnded(versionId, { httpStatus: index === 20 || index === 21 ? 418 : 200 }),
    );
    const results = await Promise.allSettled(executions.map((execution) => store.ledger.end(execution, never)));
    const rejected = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ index, reason: result.reason }] : [],
    );
    assert.deepEqual(
      rejected.map(({ index }) => index),
      [20, 21],
    );
    for (const { reason } of rejected) {
      assert.ok(reason instanceof NflowError);
      assert.equal(reason.code, 'internal_error');
      assert.match(reason.details.got ?? '', /^23514: /);
    }
  } finally {
    await sql.query('ALTER TABLE nflow.executions DROP CONSTRAINT no_teapots');
  }
});

test('start, append and finish of one turn are applied in their order', async () => {
  const execution = makeStarted(versionId);
  await Promise.all([
    store.ledger.start(execution, [makeRecord(1)], never),
    store.ledger.append(execution.id, [makeRecord(2), makeRecord(3)], never),
    store.ledger.finish(execution.id, makeEnd({ output: '42' }), never),
  ]);
  const stored = await store.history.get(execution.id);
  assert.equal(stored?.status, 'succeeded');
  assert.equal(stored?.output, '42');
  assert.equal(stored?.startedAt.getTime(), Math.floor(execution.startedAtMs));
  assert.ok(stored?.endedAt);
});

test('a running execution shows its journal in the order in which it was written', async () => {
  const execution = makeStarted(versionId);
  const records = [
    makeRecord(1),
    makeRecord(2, { stepPath: 'a', argumentsHash: null, kind: 'step', seq: 0, ok: false, json: Buffer.from('"\0"') }),
    makeRecord(3),
  ];
  await store.ledger.start(execution, records.slice(0, 1), never);
  await store.ledger.append(execution.id, records.slice(1), never);
  const stored = await store.history.get(execution.id);
  assert.equal(stored?.status, 'running');
  assert.equal(stored?.endedAt, null);
  assert.equal(stored?.timing, null);
  assert.deepEqual(
    stored?.journal.map((record) => ({
      ...record,
      argumentsHash: record.argumentsHash && new Uint8Array(record.argumentsHash),
    })),
    records.map((record) => ({ ...record, json: record.json.toString() })),
  );
});

test('a result that was recorded before it was consumed is told its segment later; one that was consumed stays as it is', async () => {
  const execution = makeStarted(versionId);
  const early = makeRecord(1, { seq: 7, segment: -1 });
  const consumed = { ...early, segment: 4, order: 2 };
  await store.ledger.start(execution, [early], never);
  await store.ledger.append(execution.id, [consumed], never);
  await store.ledger.append(execution.id, [{ ...consumed, segment: 9, order: 3 }], never);
  assert.deepEqual(
    (await store.history.get(execution.id))?.journal.map(({ seq, segment, order }) => [seq, segment, order]),
    [[7, 4, 2]],
  );
  // Both in one batch: one statement could not touch the row twice.
  const other = makeStarted(versionId);
  await Promise.all([store.ledger.start(other, [early], never), store.ledger.append(other.id, [consumed], never)]);
  assert.deepEqual(
    (await store.history.get(other.id))?.journal.map(({ segment }) => segment),
    [4],
  );
});

test('writes of one execution keep their order while many others are written', async () => {
  const executions = Array.from({ length: 200 }, () => makeStarted(versionId));
  await Promise.all(
    executions.map(async (execution) => {
      const started = store.ledger.start(execution, [], never);
      for (let order = 1; order <= 5; order++) {
        if (order % 2 === 0) await started;
        void store.ledger.append(execution.id, [makeRecord(order)], never);
      }
      await store.ledger.finish(execution.id, makeEnd(), never);
    }),
  );
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM nflow.executions e WHERE id = ANY($1) AND status = 2
     AND (SELECT count(*) FROM nflow.journal WHERE execution_id = e.id) = 5`,
    [executions.map(({ id }) => id)],
  );
  assert.equal(rows[0]?.count, 200);
});

test('a bad record in a unit of several writes fails alone, and the rest is written', async () => {
  const execution = makeStarted(versionId);
  await sql.query("ALTER TABLE nflow.journal ADD CONSTRAINT no_bombs CHECK (kind <> 'bomb')");
  try {
    const results = await Promise.allSettled([
      store.ledger.start(execution, [makeRecord(1)], never),
      store.ledger.append(execution.id, [makeRecord(2, { kind: 'bomb' })], never),
      store.ledger.append(execution.id, [makeRecord(3)], never),
      store.ledger.finish(execution.id, makeEnd(), never),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
    const { rows } = await sql.query<{ write_order: number }>(
      'SELECT write_order FROM nflow.journal WHERE execution_id = $1 ORDER BY 1',
      [execution.id],
    );
    assert.deepEqual(
      rows.map((row) => row.write_order),
      [1, 3],
    );
    assert.equal((await store.history.get(execution.id))?.status, 'succeeded');
  } finally {
    await sql.query('ALTER TABLE nflow.journal DROP CONSTRAINT no_bombs');
  }
});

test('when a start is refused, what follows it is refused too and leaves nothing', async () => {
  await sql.query("ALTER TABLE nflow.executions ADD CONSTRAINT no_seed CHECK (seed <> 'bad')");
  try {
    const execution = makeStarted(versionId, { seed: 'bad' });
    const results = await Promise.allSettled([
      store.ledger.start(execution, [], never),
      store.ledger.append(execution.id, [makeRecord(1)], never),
      store.ledger.finish(execution.id, makeEnd(), never),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    );
    // Whatever was still to leave for it has left before a later batch is answered, or at the latest when nothing waits.
    await store.ledger.end(makeEnded(versionId), never);
    while (store.stats().pendingRows > 0) await setTimeout(1);
    assert.equal(await store.history.get(execution.id), null);
    const { rows } = await sql.query('SELECT FROM nflow.journal WHERE execution_id = $1', [execution.id]);
    assert.equal(rows.length, 0);
  } finally {
    await sql.query('ALTER TABLE nflow.executions DROP CONSTRAINT no_seed');
  }
});

test('finishing again keeps the first end; finishing what was never started is refused', async () => {
  const execution = makeStarted(versionId);
  await store.ledger.start(execution, [], never);
  await store.ledger.finish(execution.id, makeEnd({ output: '1' }), never);
  await store.ledger.finish(execution.id, makeEnd({ output: '2' }), never);
  assert.equal((await store.history.get(execution.id))?.output, '1');
  await assert.rejects(
    store.ledger.finish(makeUuid(), makeEnd(), never),
    (error) => error instanceof NflowError && error.code === 'internal_error',
  );
});

test('kill tests can listen to the moments around a commit of durable rows', async () => {
  const names: string[] = [];
  const listen = (message: unknown) => names.push((message as { name: string }).name);
  diagnosticsChannel.subscribe('nflow:point', listen);
  try {
    await store.ledger.end(makeEnded(versionId, { durability: 'recorded' }), never);
    assert.deepEqual(names, []);
    await store.ledger.end(makeEnded(versionId), never);
    assert.deepEqual(names, ['before-commit', 'after-commit']);
  } finally {
    diagnosticsChannel.unsubscribe('nflow:point', listen);
  }
});

test('nothing waits when everything was answered', () => {
  const { pendingRows, pendingBytes, poolInUse } = store.stats();
  assert.deepEqual({ pendingRows, pendingBytes, poolInUse }, { pendingRows: 0, pendingBytes: 0, poolInUse: 0 });
});
