import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { connect } from '../../src/store/connect.ts';
import { readDocument } from '../docs/document.ts';
import { startNflowServer } from '../support/nflow-server.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const page = fileURLToPath(new URL('../../docs/how-to/query-a-database.md', import.meta.url));

let postgres: TestPostgres;
let shop: pg.Client;
before(async () => {
  postgres = await startTestPostgres();
  shop = await connect(parseDsn(postgres.dsn), 'test');
  await shop.query(`
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL, amount int NOT NULL,
      total numeric GENERATED ALWAYS AS (amount * 1.10) STORED);
    CREATE TABLE stock (item text PRIMARY KEY, amount int CHECK (amount >= 0));
    INSERT INTO stock VALUES ('bolt', 10)`);
});
after(async () => {
  await shop.end();
  await postgres.stop();
});

test('the examples of the page run, a failure names the node, and only who is granted a datasource may use it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-sql-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'workflows'));
  for (const step of readDocument(page)) {
    if (step.kind === 'file') writeFileSync(join(folder, 'workflows', basename(step.path)), step.text);
  }
  const stranger = {
    format: 1,
    name: 'stranger',
    triggers: [{ type: 'http', method: 'GET', path: '/api/stranger' }],
    // The name is hidden from what finds out what a version uses: it is refused when it runs.
    nodes: { look: { type: 'code', code: "const name = 'main'; return ctx.sql(name).query('TABLE stock');" } },
  };
  const server = await startNflowServer(t, {
    workflows: { stranger },
    egressAllow: [],
    folder,
    env: { NFLOW_DATASOURCES__MAIN__DSN: postgres.dsn, NFLOW_DATASOURCES__MAIN__WORKFLOWS: '["orders-*"]' },
  });
  const add = (amount: number): Promise<Response> =>
    fetch(`${server.address}/api/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ item: 'bolt', amount }),
    });

  for (const [index, amount] of [1, 2, 3].entries()) {
    const answer = await add(amount);
    const body = await answer.text();
    assert.equal(answer.status, 201, body);
    assert.deepEqual(JSON.parse(body), { id: String(index + 1), total: (amount * 1.1).toFixed(2) });
  }
  const historyOf = async (answer: Response): Promise<string> => {
    const { executionId } = (await answer.json()) as { executionId: string };
    return (await fetch(`${server.address}/nflow/api/v1/executions/${executionId}`)).text();
  };
  const tooMany = await add(100);
  assert.equal(tooMany.status, 502);
  const failed = await historyOf(tooMany);
  assert.match(failed, /"node":"add"/);
  assert.match(failed, /statement 2: .*SQLSTATE 23514; constraint stock_amount_check; table stock/);
  const { rows } = await shop.query('SELECT amount FROM stock');
  assert.deepEqual(rows, [{ amount: 4 }]);

  const sum = await (await fetch(`${server.address}/api/orders/sum`)).json();
  assert.deepEqual(sum, { orders: '3', amount: 6 });
  const refused = await historyOf(await fetch(`${server.address}/api/stranger`));
  assert.match(refused, /stranger is not granted \[datasources.main\]/);
  const metrics = await (await fetch(`${server.address}/metrics`)).text();
  assert.match(metrics, /^nflow_datasource_pool_size\{datasource="main"\} [1-9]/m);
  assert.match(metrics, /^nflow_effect_duration_seconds_count\{effect="sql"\} \d+/m);
  await server.stop();
});
