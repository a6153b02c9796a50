import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { openStore } from '../../src/store/open-store.ts';
import { isPacked, pack, payloadBytes, unpackedBytesMax, unpackText } from '../../src/store/payload.ts';
import type { ResumableExecution, Store } from '../../src/store/port.ts';
import { makeEnd, makeEnded, makeRecord, makeStarted } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
let postgres: TestPostgres;
let dsn: string;
let store: Store;
let sql: pg.Client;
let versionId: number;

before(async () => {
  postgres = await startTestPostgres();
  dsn = await postgres.createDatabase();
  store = await openStore({ dsn, serverName: 'test', exclusive: false, unsafe: false, log: silentLog });
  sql = await connect(parseDsn(dsn), 'test');
  versionId = (await store.workflows.publish('shop', '{}')).version.versionId;
});

after(async () => {
  await store.close(1_000);
  await sql.end();
  await postgres.stop();
});

/** JSON of at least that many bytes, with everything in it that a careless store would change. */
function makeJson(bytes: number): string {
  const odd = '"\\u0000 \\ud800 \0 ñ€😀"';
  return `[${odd}${`,${odd}`.repeat(Math.ceil(bytes / odd.length))}]`;
}

for (const bytes of [300, 70_000, 3_000_000]) {
  test(`a payload of ${bytes} bytes comes back as it was, and its size is told without unpacking it`, async () => {
    const text = makeJson(bytes);
    const plain = Buffer.from(text);
    const packed = Buffer.from(await pack(plain));
    assert.ok(packed.length < plain.length && isPacked(packed));
    assert.equal(await unpackText(packed), text);
    assert.equal(payloadBytes(packed), plain.length);
  });
}

test('what does not shrink is left as it is', async () => {
  const bytes = randomBytes(20_000);
  assert.equal(await pack(bytes), bytes);
});

test('what is not packed is read as it is, and nothing is made of its size but its length', async () => {
  for (const text of ['', '{}', '(', '"(\u00b5/\u00fd"']) {
    assert.equal(await unpackText(Buffer.from(text)), text);
    assert.equal(payloadBytes(Buffer.from(text)), Buffer.byteLength(text));
  }
});

test('a damaged frame, and one that would fill the memory, are refused', async () => {
  const packed = Buffer.from(await pack(Buffer.from(makeJson(50_000))));
  const isRefused = (error: unknown) => error instanceof NflowError && error.code === 'internal_error';
  await assert.rejects(unpackText(packed.subarray(0, packed.length - 10)), isRefused);
  const bomb = zstdCompressSync(Buffer.alloc(unpackedBytesMax + 1));
  assert.ok(bomb.length < 100_000);
  await assert.rejects(unpackText(bomb), isRefused);
});

test('large payloads of an execution are stored small and read whole, with both sizes', async () => {
  const [head, body, output, trace, logs] = [
    makeJson(20_000),
    makeJson(100_000),
    makeJson(9_000),
    makeJson(30_000),
    makeJson(12_000),
  ];
  const execution = makeEnded(versionId, {
    inputHead: `{"a":${head} }`,
    inputBody: Buffer.from(body),
    output,
    trace,
    logs,
  });
  await store.ledger.end(execution, never);
  const stored = await store.history.get(execution.id);
  assert.ok(stored);
  assert.equal(stored.input, `{"a":${head} ,"body":${body}}`);
  assert.deepEqual([stored.output, stored.trace, stored.logs], [output, trace, logs]);
  const bytes = [stored.input, output, trace, logs].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  assert.equal(stored.payloadBytes, bytes);
  assert.ok(stored.storedBytes < bytes / 3);
  const { rows } = await sql.query<{ input: Buffer; output: Buffer }>(
    'SELECT input, output FROM nflow.executions WHERE id = $1',
    [execution.id],
  );
  assert.ok(isPacked(rows[0]?.input as Buffer) && isPacked(rows[0]?.output as Buffer));
});

test('small payloads beside a large one, and the error, are stored as they are', async () => {
  const error = JSON.stringify({ code: 'node_failed', message: 'x'.repeat(20_000) });
  const execution = makeEnded(versionId, {
    status: 'failed',
    inputHead: '{}',
    inputBody: null,
    output: makeJson(9_000),
    error,
  });
  await store.ledger.end(execution, never);
  const { rows } = await sql.query<{ input: Buffer; error: Buffer }>(
    'SELECT input, error FROM nflow.executions WHERE id = $1',
    [execution.id],
  );
  assert.equal(rows[0]?.input.toString(), '{}');
  assert.equal(rows[0]?.error.toString(), error);
});

test('writes of one execution keep their order, whatever takes longest to compress', async () => {
  const execution = makeStarted(versionId, { inputHead: `{"a":${makeJson(2_000_000)}}` });
  const output = makeJson(9_000);
  const others = Array.from({ length: 20 }, () => makeEnded(versionId, { output: makeJson(200_000) }));
  await Promise.all([
    ...others.map((other) => store.ledger.end(other, never)),
    store.ledger.start(execution, [makeRecord(1, { json: makeJson(500_000) })], never),
    store.ledger.append(execution.id, [makeRecord(2)], never),
    store.ledger.append(execution.id, [makeRecord(3, { json: makeJson(90_000) })], never),
    store.ledger.finish(execution.id, makeEnd({ output }), never),
  ]);
  const stored = await store.history.get(execution.id);
  assert.equal(stored?.status, 'succeeded');
  assert.equal(stored?.output, output);
  const { rows } = await sql.query<{ place: number }>(
    'SELECT write_order AS place FROM nflow.journal WHERE execution_id = $1 ORDER BY 1',
    [execution.id],
  );
  assert.deepEqual(
    rows.map(({ place }) => place),
    [1, 2, 3],
  );
  for (const other of others) assert.equal((await store.history.get(other.id))?.output, other.output);
  assert.equal(store.stats().pendingRows, 0);
});

test('a successor gets input and journal as they were given', async () => {
  const owner = await openStore({ dsn, serverName: 'dead', exclusive: false, unsafe: false, log: silentLog });
  const execution = makeStarted(versionId, { inputHead: `{"a":${makeJson(50_000)}}` });
  const records = [makeRecord(1, { json: makeJson(80_000) }), makeRecord(2)];
  await owner.ledger.start(execution, records, never);
  const taken: ResumableExecution[] = [];
  await store.incarnation.takeOver([owner.incarnation.id], (executions) => taken.push(...executions));
  await owner.close(0);
  assert.equal(taken.length, 1);
  assert.equal(taken[0]?.inputHead, execution.inputHead);
  assert.deepEqual(
    taken[0]?.journal.map(({ json }) => json),
    records.map(({ json }) => json),
  );
});

test('a write that is given up while it waits to be compressed is not sent', async () => {
  const heavy = Array.from({ length: 30 }, () =>
    store.ledger.end(makeEnded(versionId, { output: makeJson(1_000_000) }), never),
  );
  const late = makeEnded(versionId, { output: makeJson(9_000) });
  await assert.rejects(
    store.ledger.end(late, performance.now() - 1),
    (error) => error instanceof NflowError && error.code === 'store_unavailable' && error.details.got === undefined,
  );
  await Promise.all(heavy);
  assert.equal(await store.history.get(late.id), null);
});
