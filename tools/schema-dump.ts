/**
 * Writes src/store/schema.sql from a fresh database with every migration applied. Run it after adding a migration:
 *   node tools/schema-dump.ts
 * `--check` compares instead, and exits 1 when the file is not up to date.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseDsn } from '../src/config/dsn.ts';
import { connect } from '../src/store/connect.ts';
import { startEmbeddedPostgres } from '../src/store/embedded/server.ts';
import { migrate } from '../src/store/migrate.ts';
import { describeSchema } from '../src/store/schema-catalog.ts';

const file = new URL('../src/store/schema.sql', import.meta.url);
const silent = () => {};

const dataDir = mkdtempSync(path.join(os.tmpdir(), 'nflow-schema-'));
try {
  const server = await startEmbeddedPostgres({
    dataDir,
    log: { debug: silent, info: silent, warn: console.warn, error: console.error },
  });
  try {
    const client = await connect(parseDsn(server.dsn), 'schema');
    await migrate(client);
    const schema = await describeSchema(client);
    await client.end();
    if (!process.argv.includes('--check')) {
      writeFileSync(file, schema);
      console.log(`wrote ${path.relative(process.cwd(), file.pathname)}`);
    } else if (readFileSync(file, 'utf8') !== schema) {
      console.error('src/store/schema.sql is not what the migrations make: run node tools/schema-dump.ts');
      process.exitCode = 1;
    }
  } finally {
    await server.stop();
  }
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
