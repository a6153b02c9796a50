/** PostgreSQL: whether it is reached, and whether it keeps what it has confirmed. */
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { findPostgresBinaries } from '../../store/embedded/binaries.ts';
import { findRunningCluster } from '../../store/embedded/running.ts';
import { readServerReport, type ServerReport } from '../../store/server-report.ts';
import { type Check, type CheckStatus, check } from './check.ts';

export async function checkDatabase(config: Config, dataDir: string): Promise<Check[]> {
  const { dsn, unsafe } = config.databaseNflow;
  if (dsn !== null) return ask(dsn, 'the server of [database_nflow] dsn', unsafe);
  const running = findRunningCluster(dataDir);
  if (running !== null) return ask(running.dsn, `the embedded server, process ${running.pid}`, false);
  return [checkEmbedded(dataDir)];
}

async function ask(dsn: string, what: string, unsafe: boolean): Promise<Check[]> {
  let report: ServerReport;
  try {
    report = await readServerReport(dsn);
  } catch (error) {
    const words = error instanceof AggregateError ? error.errors.map(String).join('; ') : (error as Error).message;
    return [
      check('database', 'reached', 'failed', `${what}: ${words}`, 'Check that it runs, and [database_nflow] dsn.'),
    ];
  }
  const { version, fsync, fullPageWrites, synchronousCommit, encoding, isStandby } = report;
  const lossy: CheckStatus = unsafe ? 'warning' : 'failed';
  const { ours, usual } = synchronousCommit;
  return [
    check(
      'database',
      'reached',
      isStandby ? 'failed' : 'ok',
      `${what}, PostgreSQL ${version}${isStandby ? ', a standby' : ''}`,
    ),
    check('database', 'encoding', encoding === 'UTF8' ? 'ok' : 'failed', encoding),
    check(
      'database',
      'fsync',
      fsync === 'on' ? 'ok' : lossy,
      fsync,
      fsync === 'on' ? null : 'Turn it on: without it a power cut loses what was confirmed.',
    ),
    check(
      'database',
      'full_page_writes',
      fullPageWrites === 'on' ? 'ok' : 'warning',
      fullPageWrites,
      fullPageWrites === 'on' ? null : 'Turn it on, unless the disk writes pages of 8 KiB in one piece.',
    ),
    check('database', 'synchronous_commit', 'ok', ours === usual ? ours : `${ours} for nFlow; ${usual} for others`),
  ];
}

function checkEmbedded(dataDir: string): Check {
  try {
    const { major, postgres } = findPostgresBinaries(join(dataDir, 'postgres'));
    return check('database', 'embedded', 'ok', `PostgreSQL ${major} at ${postgres}; it starts with the server`);
  } catch (error) {
    return check(
      'database',
      'embedded',
      'failed',
      (error as Error).message,
      'Install PostgreSQL, or set [database_nflow] dsn to a server that runs elsewhere.',
    );
  }
}
