import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { ExecutionIds } from '../../src/engine/execution-id.ts';
import { NflowError } from '../../src/errors.ts';
import { type ClassSettings, placeClasses } from '../../src/store/classes.ts';
import { connect } from '../../src/store/connect.ts';
import { openStore } from '../../src/store/open-store.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import type { ResumableExecution, Store } from '../../src/store/port.ts';
import { slotOf } from '../../src/store/trees.ts';
import { makeEnd, makeEnded, makeRecord, makeStarted } from '../support/executions.ts';
import { dayMs, insertExecutions, makeIdAt, tablesOf } from '../support/history.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
const settings: ClassSettings = { retentionMs: 14 * dayMs, classes: { audit: 365 * dayMs, brief: dayMs } };
let postgres: TestPostgres;
let dsn: string;
let sql: pg.Client;

before(async () => {
  postgres = await startTestPostgres();
});

after(() => postgres.stop());

beforeEach(async (context) => {
  dsn = await postgres.createDatabase();
  sql = await connect(parseDsn(dsn), 'test');
  const client = sql;
  if ('after' in context) context.after(() => client.end());
});

function openWithClasses(exclusive = true): Promise<Store> {
  const history = { ...settings, bytesMax: null };
  return openStore({ dsn, serverName: 'test', exclusive, unsafe: false, log: silentLog, history });
}

test('an id carries the slot of its class and nothing else of it', () => {
  const ids = new ExecutionIds(() => Date.now());
  for (const slot of [0, 1, 2]) {
    for (let count = 0; count < 200; count++) {
      const id = ids.next(slot);
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89a][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(slotOf(id), slot);
    }
  }
  assert.equal(slotOf(ids.next()), 0);
});

test('executions of every class are written, read, listed and taken over in one go, each in its tables', async () => {
  const store = await openWithClasses();
  const { versionId } = (await store.workflows.publish('shop', '{}')).version;
  assert.equal(store.classSlot(null), 0);
  assert.equal(store.classSlot('nobody'), 0);
  const slots = ['audit', 'brief'].map((name) => store.classSlot(name));
  assert.deepEqual([...slots].sort(), [1, 2]);
  const idIn = (slot: number) => makeIdAt(Date.now(), slot);
  const ended = [0, ...slots].flatMap((slot) =>
    Array.from({ length: 20 }, () => makeEnded(versionId, { id: idIn(slot) })),
  );
  const started = [0, ...slots].map((slot) => makeStarted(versionId, { id: idIn(slot) }));
  await Promise.all([
    ...ended.map((execution) => store.ledger.end(execution, never)),
    ...started.map((execution) => store.ledger.start(execution, [makeRecord(1)], never)),
    ...started.map((execution) => store.ledger.append(execution.id, [makeRecord(2)], never)),
  ]);
  const all = [...ended, ...started].map(({ id }) => id);
  const tables = await tablesOf(sql, all);
  for (const id of all)
    assert.match(
      tables[id] ?? '',
      [/^executions_2/, /^executions_class_1_2/, /^executions_class_2_2/][slotOf(id)] as RegExp,
    );
  const { items } = await store.history.list({ limit: 500 });
  assert.deepEqual(
    items.map(({ id }) => id),
    all.toSorted().reverse(),
  );

  const heir = await openWithClasses(false);
  const taken: ResumableExecution[] = [];
  const count = await heir.incarnation.takeOver([store.incarnation.id], (executions) => taken.push(...executions));
  assert.equal(count, 3);
  assert.deepEqual(
    taken.map(({ id, journal }) => [id, journal.length]).sort(),
    started.map(({ id }) => [id, 2]).sort(),
  );
  await Promise.all(taken.map(({ id }) => heir.ledger.finish(id, makeEnd({ output: `"${id}"` }), never)));
  for (const { id } of started) assert.equal((await heir.history.get(id.slice(-8)))?.output, `"${id}"`);
  await Promise.all([store.close(0), heir.close(0)]);
});

test('a class keeps its place over restarts, and takes a new retention', async () => {
  const first = await placeClasses(sql, settings);
  const second = await placeClasses(sql, { ...settings, classes: { brief: 2 * dayMs, audit: 365 * dayMs } });
  assert.deepEqual([...second].sort(), [...first].sort());
  const { rows } = await sql.query('SELECT name, retention_ms FROM nflow.history_classes ORDER BY name');
  assert.deepEqual(rows, [
    { name: 'audit', retention_ms: String(365 * dayMs) },
    { name: 'brief', retention_ms: String(2 * dayMs) },
    { name: 'default', retention_ms: String(14 * dayMs) },
  ]);
});

test('a class that is not configured any more gives its place away once its executions are gone', async () => {
  const slots = await placeClasses(sql, settings);
  await makePartitions(sql, Date.now(), silentLog);
  const id = makeIdAt(Date.now(), slots.get('brief'));
  await insertExecutions(sql, [{ id, versionId: 1 }]);
  const renamed = { ...settings, classes: { audit: dayMs, yearly: 365 * dayMs } };
  await assert.rejects(placeClasses(sql, renamed), (error) => {
    assert.ok(error instanceof NflowError && error.code === 'invalid_config');
    assert.match(`${error.message} ${error.details.got}`, /'yearly'.*brief/);
    return true;
  });
  // Until then it is kept as it was said last.
  await placeClasses(sql, { ...settings, classes: {} });
  const { rows } = await sql.query("SELECT retention_ms FROM nflow.history_classes WHERE name = 'brief'");
  assert.deepEqual(rows, [{ retention_ms: String(dayMs) }]);
  await sql.query('DELETE FROM nflow.executions_class_1; DELETE FROM nflow.executions_class_2');
  assert.equal((await placeClasses(sql, renamed)).get('yearly'), slots.get('brief'));
});

test('servers that start together agree on the places', async () => {
  const clients = await Promise.all([1, 2, 3].map(() => connect(parseDsn(dsn), 'test')));
  const placed = await Promise.all(clients.map((client) => placeClasses(client, settings)));
  for (const slots of placed) assert.deepEqual([...slots].sort(), [...(placed[0] ?? [])].sort());
  await Promise.all(clients.map((client) => client.end()));
});
