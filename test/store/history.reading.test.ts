import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NflowError } from '../../src/errors.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { ExecutionFilter, Store } from '../../src/store/port.ts';
import { makeEnded, makeStarted, makeUuid } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
const total = 60;
let postgres: TestPostgres;
let store: Store;
/** Oldest first; every third is of `other`, every fourth failed, the last is running; the first three are of the day before. */
const ids: string[] = [];

before(async () => {
  postgres = await startTestPostgres();
  const dsn = await postgres.createDatabase();
  store = await openStore({ dsn, serverName: 'test', exclusive: true, unsafe: false, log: silentLog });
  const shop = (await store.workflows.publish('shop', '{"v":1}')).version.versionId;
  const other = (await store.workflows.publish('other', '{}')).version.versionId;
  const shopAgain = (await store.workflows.publish('shop', '{"v":2}')).version.versionId;
  const nowMs = Date.now();
  for (let index = 0; index < total; index++) {
    const id = makeUuid(index < 3 ? nowMs - 86_400_000 : nowMs + index);
    ids.push(id);
    const versionId = index % 3 === 0 ? other : index % 2 === 0 ? shop : shopAgain;
    if (index === total - 1) await store.ledger.start(makeStarted(versionId, { id }), [], never);
    else await store.ledger.end(makeEnded(versionId, { id, status: index % 4 === 0 ? 'failed' : 'succeeded' }), never);
  }
});

after(async () => {
  await store.close(1_000);
  await postgres.stop();
});

async function walk(filter: Omit<ExecutionFilter, 'cursor'>): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.history.list({ ...filter, cursor });
    assert.ok(page.items.length <= filter.limit);
    found.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

const newestFirst = (isKept: (index: number) => boolean) => ids.filter((_, index) => isKept(index)).reverse();

const filters: [what: string, filter: Omit<ExecutionFilter, 'cursor' | 'limit'>, isKept: (index: number) => boolean][] =
  [
    ['all', {}, () => true],
    ['those of a workflow, in every version', { workflow: 'shop' }, (index) => index % 3 !== 0],
    ['those with a status', { status: 'failed' }, (index) => index % 4 === 0],
    ['those of a workflow with a status', { workflow: 'other', status: 'failed' }, (index) => index % 12 === 0],
    ['the running ones', { status: 'running' }, (index) => index === total - 1],
    ['those of a workflow that does not exist', { workflow: 'none' }, () => false],
  ];
for (const [what, filter, isKept] of filters) {
  test(`listing ${what} gives each once, newest first, whatever the page size`, async () => {
    for (const limit of [1, 7, total, 500]) assert.deepEqual(await walk({ ...filter, limit }), newestFirst(isKept));
  });
}

test('a page that ends with the last execution has no next one', async () => {
  const { items, nextCursor } = await store.history.list({ limit: total });
  assert.equal(items.length, total);
  assert.equal(nextCursor, null);
});

test('a cursor goes on where the page ended, although newer executions came', async () => {
  const first = await store.history.list({ workflow: 'other', limit: 5 });
  const { versionId } = (await store.workflows.publish('other', '{}')).version;
  const extra = makeEnded(versionId, { id: makeUuid(Date.now() + 10_000) });
  await store.ledger.end(extra, never);
  const second = await store.history.list({ workflow: 'other', limit: 5, cursor: first.nextCursor ?? '' });
  assert.deepEqual(
    [...first.items, ...second.items].map(({ id }) => id),
    newestFirst((index) => index % 3 === 0).slice(0, 10),
  );
});

for (const cursor of ['', 'x', '????', 'AAAA', 'A'.repeat(23)]) {
  test(`the cursor '${cursor}' is refused`, async () => {
    await assert.rejects(
      store.history.list({ limit: 1, cursor }),
      (error) => error instanceof NflowError && error.code === 'invalid_input' && error.details.pointer === '/cursor',
    );
  });
}

for (const limit of [0, -1, 501, 1.5, Number.NaN]) {
  test(`a page of ${limit} is refused`, async () => {
    await assert.rejects(
      store.history.list({ limit }),
      (error) => error instanceof NflowError && error.code === 'invalid_input' && error.details.pointer === '/limit',
    );
  });
}

test('an execution is found by its full id in any case, and by its last 8 characters', async () => {
  for (const id of [ids[0], ids[30], ids[total - 1]] as string[]) {
    assert.equal((await store.history.get(id))?.id, id);
    assert.equal((await store.history.get(id.toUpperCase()))?.id, id);
    assert.equal((await store.history.get(id.slice(-8)))?.id, id);
  }
});

test('an id that nobody has gives null; what is no id is refused', async () => {
  assert.equal(await store.history.get(makeUuid()), null);
  assert.equal(await store.history.get('00000000'), null);
  for (const id of ['', 'x', '0000000', "'; DROP TABLE"]) {
    await assert.rejects(
      store.history.get(id),
      (error) => error instanceof NflowError && error.code === 'invalid_input',
    );
  }
});

test('a short id of two executions names both', async () => {
  const { versionId } = (await store.workflows.publish('shop', '{"v":2}')).version;
  const twins = [makeUuid(), makeUuid()].map((id) => `${id.slice(0, -8)}feedbeef`);
  for (const id of twins) await store.ledger.end(makeEnded(versionId, { id }), never);
  await assert.rejects(store.history.get('feedbeef'), (error) => {
    assert.ok(error instanceof NflowError && error.code === 'conflict');
    for (const id of twins) assert.match(error.details.got ?? '', new RegExp(id));
    return true;
  });
});

test('publishing gives the next version only when the text differs, and keeps the old ones', async () => {
  const first = await store.workflows.publish('flow', '{"a":1}');
  assert.equal(first.changed, true);
  assert.equal(first.version.version, 1);
  assert.deepEqual(await store.workflows.publish('flow', '{"a":1}'), { version: first.version, changed: false });
  const second = await store.workflows.publish('flow', '{"a":2}');
  assert.equal(second.version.version, 2);
  const back = await store.workflows.publish('flow', '{"a":1}');
  assert.equal(back.version.version, 3);
  assert.deepEqual(await store.workflows.version(first.version.versionId), first.version);
  assert.equal(await store.workflows.version(1_000_000), null);
  const published = await store.workflows.published();
  assert.deepEqual(
    published.filter(({ workflow }) => workflow === 'flow'),
    [back.version],
  );
});

test('two servers that publish one workflow at once make two versions', async () => {
  const results = await Promise.all(
    Array.from({ length: 6 }, (_, index) => store.workflows.publish('race', `{"i":${index}}`)),
  );
  assert.deepEqual(results.map(({ version }) => version.version).sort(), [1, 2, 3, 4, 5, 6]);
});
