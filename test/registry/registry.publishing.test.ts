import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseDsn } from '../../src/config/dsn.ts';
import { WorkflowRegistry } from '../../src/registry/workflow-registry.ts';
import { connect } from '../../src/store/connect.ts';
import type { BeatTiming } from '../../src/store/incarnation.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/port.ts';
import type { CompiledWorkflow } from '../../src/workflow/compiled.ts';
import { compileSource } from '../../src/workflow/published-source.ts';
import { until } from '../support/condition.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const log = { warn: () => {} };
let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

function compiled(name: string, path: string, text = 'hello'): CompiledWorkflow {
  const definition = {
    format: 1,
    name,
    triggers: [{ type: 'http', method: 'GET', path }],
    nodes: { reply: { type: 'code', code: `return ${JSON.stringify(text)};` } },
  };
  const result = compileSource({ definitionText: JSON.stringify(definition), files: {} }, {});
  assert.ok(result.ok);
  return result.compiled;
}

interface Servers extends AsyncDisposable {
  dsn: string;
  stores: Store[];
  registries: WorkflowRegistry[];
}

/** Servers on one database. */
async function startServers(count: number, beatTiming?: BeatTiming): Promise<Servers> {
  const dsn = await postgres.createDatabase();
  const stores = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      openStore({
        dsn,
        serverName: `server-${index}`,
        exclusive: false,
        unsafe: false,
        log: silentLog,
        ...(beatTiming === undefined ? {} : { beatTiming }),
      }),
    ),
  );
  const registries = stores.map(
    (store) => new WorkflowRegistry({ vars: {}, store: store.workflows, release: 'test', log }),
  );
  for (const registry of registries) await registry.load();
  return {
    dsn,
    stores,
    registries,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(stores.map((store) => store.close(1_000)));
    },
  };
}

function answers(registry: WorkflowRegistry, path: string): string | null {
  const found = registry.routes.find('GET', path);
  return found !== null && 'target' in found ? `${found.target.compiled.name} ${found.target.version}` : null;
}

test('what one server publishes, replaces and takes back, the others follow at once', async () => {
  // No beat comes in this test: it is the notice that tells.
  const beatTiming = { leaseMs: 3_600_000, intervalMs: 600_000, mayActMs: 1_800_000 };
  await using servers = await startServers(2, beatTiming);
  const [here, there] = servers.registries as [WorkflowRegistry, WorkflowRegistry];
  await here.publish([compiled('shared', '/shared')]);
  assert.equal(answers(here, '/shared'), 'shared 1');
  await until('the other serves it', () => answers(there, '/shared') === 'shared 1');
  await there.publish([compiled('shared', '/elsewhere')]);
  await until('the first serves the new one', () => answers(here, '/elsewhere') === 'shared 2');
  assert.equal(answers(here, '/shared'), null);
  await here.takeBack(['shared'], true);
  await until('the other serves it no more', () => answers(there, '/elsewhere') === null);
});

test('a server that missed the notice finds out with its next beat', async () => {
  await using servers = await startServers(1);
  const [{ workflows: store }] = servers.stores as [Store];
  const dsn = servers.dsn;
  const [registry] = servers.registries as [WorkflowRegistry];
  await store.publish('quiet', compiled('quiet', '/quiet').definitionText);
  await until('it was noticed', () => answers(registry, '/quiet') === 'quiet 1');
  // Changed behind everybody's back: no notice is sent.
  const client = await connect(parseDsn(dsn), 'test');
  await client.query('UPDATE nflow.workflows SET published_version_id = NULL, changed_revision = 1000');
  await client.query('UPDATE nflow.catalog SET revision = 1000');
  await client.end();
  await until('it is served no more', () => answers(registry, '/quiet') === null, 60_000);
});

test('two servers that claim one route at the same moment: one has it, the other is told', async () => {
  await using servers = await startServers(2);
  const [here, there] = servers.registries as [WorkflowRegistry, WorkflowRegistry];
  for (let round = 0; round < 5; round++) {
    const [left, right] = await Promise.all([
      here.publish([compiled(`left-${round}`, `/race/${round}`)]),
      there.publish([compiled(`right-${round}`, `/race/${round}`)]),
    ]);
    assert.equal(left.published.length + right.published.length, 1);
    assert.equal(left.conflicts.length + right.conflicts.length, 1);
  }
  await until('both serve the same', () =>
    [0, 1, 2, 3, 4].every((round) => {
      const owner = answers(here, `/race/${round}`);
      return owner !== null && owner === answers(there, `/race/${round}`);
    }),
  );
});

test('publishing is all or nothing: what is in conflict keeps nothing else from being published', async () => {
  await using servers = await startServers(1);
  const [registry] = servers.registries as [WorkflowRegistry];
  await registry.publish([compiled('owner', '/owned')]);
  const report = await registry.publish([
    compiled('a', '/a'),
    compiled('thief', '/owned'),
    compiled('b', '/b'),
    compiled('twin-1', '/twin/:x'),
    compiled('twin-2', '/twin/:y'),
  ]);
  assert.deepEqual(report.published, ['a', 'b']);
  assert.deepEqual(
    report.conflicts.map(({ workflows }) => workflows),
    [
      ['owner', 'thief'],
      ['twin-1', 'twin-2'],
    ],
  );
  assert.deepEqual(
    ['/owned', '/a', '/twin/1'].map((path) => answers(registry, path)),
    ['owner 1', 'a 1', null],
  );
});

test('a refusal gives back what the refused one would have left', async () => {
  await using servers = await startServers(1);
  const [registry] = servers.registries as [WorkflowRegistry];
  await registry.publish([compiled('moving', '/old'), compiled('fixed', '/fixed')]);
  // `moving` wants what `fixed` has and so stays at /old: `newcomer` cannot have that.
  const report = await registry.publish([compiled('moving', '/fixed'), compiled('newcomer', '/old')]);
  assert.deepEqual(report.published, []);
  assert.deepEqual(
    report.conflicts.map(({ workflows }) => workflows),
    [
      ['fixed', 'moving'],
      ['moving', 'newcomer'],
    ],
  );
  assert.deepEqual(
    ['/old', '/fixed'].map((path) => answers(registry, path)),
    ['moving 1', 'fixed 1'],
  );
});

test('what is published is found by the next start, without compiling it, and runs', async () => {
  await using servers = await startServers(1);
  const [registry] = servers.registries as [WorkflowRegistry];
  const [{ workflows: store }] = servers.stores as [Store];
  const many = Array.from({ length: 300 }, (_, index) => compiled(`many-${index}`, `/many/${index}/:id`));
  assert.equal((await registry.publish(many)).published.length, 300);
  assert.equal((await registry.publish(many)).unchanged.length, 300);
  const { entries } = await store.catalog();
  assert.ok(entries.every(({ summaryText }) => summaryText !== null));

  const next = new WorkflowRegistry({ vars: {}, store, release: 'test', log });
  await next.load();
  assert.equal(next.list().length, 300);
  assert.equal(answers(next, '/many/7/x'), 'many-7 1');
  const before = registry.get('many-7');
  const after = next.get('many-7');
  assert.deepEqual(after?.compiled.program, before?.compiled.program);
  assert.deepEqual({ ...after?.compiled }, { ...before?.compiled });

  // Another release makes its own summaries, and keeps them.
  const release = new WorkflowRegistry({ vars: {}, store, release: 'other', log });
  await release.load();
  assert.equal(release.list().length, 300);
  await until('the summaries are kept', async () =>
    (await store.catalog()).entries.every(({ summaryText }) => summaryText?.includes('"release":"other"')),
  );
});

test('a version that does not compile any more is not served, and the log says so', async () => {
  await using servers = await startServers(1);
  const [{ workflows: store }] = servers.stores as [Store];
  await store.publish('odd', '{"format":1,"name":"odd","nodes":{"a":{"type":"removed"}}}');
  const said: string[] = [];
  const next = new WorkflowRegistry({ vars: {}, store, log: { warn: (message) => said.push(message) } });
  await next.load();
  assert.deepEqual(next.list(), []);
  assert.match(said.join(), /workflow odd version 1 does not compile any more/);
});

test('a running execution keeps its version, also when it is not published any more', async () => {
  await using servers = await startServers(1);
  const [registry] = servers.registries as [WorkflowRegistry];
  await registry.publish([compiled('going', '/going', 'one')]);
  const first = registry.get('going');
  await registry.publish([compiled('going', '/going', 'two')]);
  assert.equal(await registry.version(first?.versionId as number), first);
  await registry.takeBack(['going'], true);
  assert.equal((await registry.version(first?.versionId as number))?.version, 1);
  assert.equal(await registry.version(999_999), null);
});
