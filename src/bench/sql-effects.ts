/** What an SQL effect costs: a row by its key, beside fastify and pg that do the same on the same database. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDsn } from '../config/dsn.ts';
import { connect } from '../store/connect.ts';
import { startEmbeddedPostgres } from '../store/embedded/server.ts';
import type { BareSqlOrder } from './bare-sql.ts';
import { judge } from './bars.ts';
import type { BenchOptions } from './bench.ts';
import { startChild } from './child.ts';
import { compareLoads, measurementOf } from './load.ts';
import type { LoadOptions } from './load-generator.ts';
import { startBenchServer } from './nflow-server.ts';
import { showRound } from './order-load.ts';
import type { BenchRow } from './row.ts';
import { benchScript } from './script.ts';

const connections = 32;
const poolMaxConns = 10;
const items = 10_000;
const sql = 'SELECT item, price FROM items WHERE id = $1';
const answer = '{"item":"bolt","price":"9.90"}';

const selecting = {
  format: 1,
  name: 'selecting',
  triggers: [{ type: 'http', method: 'GET', path: '/bench/items/:id' }],
  durability: 'ephemeral',
  nodes: {
    select: { type: 'sql', sql, params: ['{{ input.params.id }}'], next: 'answer' },
    answer: { type: 'end', output: '{{ nodes.select.rows[0] }}' },
  },
};

export async function measureSqlEffects(options: BenchOptions): Promise<BenchRow[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'nflow-bench-sql-'));
  const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog });
  try {
    await fill(postgres.dsn);
    return await measureSelect(postgres.dsn, options);
  } finally {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

async function fill(dsn: string): Promise<void> {
  const client = await connect(parseDsn(dsn), 'bench');
  await client.query('CREATE TABLE items (id int PRIMARY KEY, item text, price numeric)');
  await client.query(`INSERT INTO items SELECT id, 'bolt', 9.90 FROM generate_series(1, ${items}) AS id`);
  await client.query('VACUUM ANALYZE items');
  await client.end();
}

async function measureSelect(dsn: string, options: BenchOptions): Promise<BenchRow[]> {
  const bare = startChild(benchScript('bare-sql'));
  try {
    const ready = bare.message<{ port: number }>();
    bare.process.send({ dsn, poolMaxConns, sql } satisfies BareSqlOrder);
    const { port } = await ready;
    options.onProgress('starting a server');
    const server = await startBenchServer(null, {
      definitions: [selecting],
      config: `[datasources.main]\ndsn = ${JSON.stringify(dsn)}\nworkflows = ["selecting"]\npool_max_conns = ${poolMaxConns}\n`,
    });
    try {
      const loads = await compareLoads(
        {
          'sql.bare': selectLoad(port, '/', options),
          'sql.select': selectLoad(server.port, '/bench/items/', options),
        },
        options.rounds,
        showRound(options),
      );
      return [
        judge(measurementOf('sql.bare', loads['sql.bare'])),
        judge({ ...measurementOf('sql.select', loads['sql.select']), floor: loads['sql.bare'].perSecond }),
      ];
    } finally {
      await server.stop();
    }
  } finally {
    await bare.stop();
  }
}

function selectLoad(port: number, path: string, { durationMs, warmUpMs }: BenchOptions): LoadOptions {
  return {
    host: '127.0.0.1',
    port,
    paths: Array.from({ length: 1000 }, (_, index) => `${path}${1 + ((index * 7919) % items)}`),
    method: 'GET',
    body: '',
    connections,
    warmUpMs,
    durationMs,
    expected: { status: 200, body: answer },
  };
}
