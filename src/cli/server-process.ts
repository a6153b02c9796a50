/** The supervisor's process: what `nflow start` runs until a signal stops it. */
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adminAccessOf } from '../config/admin-access.ts';
import { adminTokenPath, ensureAdminToken } from '../config/admin-token.ts';
import { loadConfig } from '../config/load.ts';
import { NflowError } from '../errors.ts';
import { createLog, type Log } from '../observe/log.ts';
import { signalProcess } from '../store/embedded/process-identity.ts';
import { startEmbeddedPostgres } from '../store/embedded/server.ts';
import { isUnignoredInGit } from '../supervisor/git-work-tree.ts';
import { type PostgresLife, type Serving, Supervisor } from '../supervisor/supervisor.ts';
import { formatBanner } from './banner.ts';
import { commandsToTry } from './commands-to-try.ts';
import { chooseConfigFile } from './config-file.ts';
import { takeDataFolder } from './data-folder.ts';
import { onLauncherDeath } from './lifeline.ts';
import { reachableAddress } from './reachable-address.ts';
import type { StartOptions } from './start.ts';
import { onStopSignals } from './stop-signals.ts';
import { writeLine } from './terminal.ts';
import { readVersion } from './version.ts';

/** Looked for when no `--workflows` is given. */
const usualWorkflowsDir = 'workflows';

/** Runs until a signal stops it. */
export async function start(options: StartOptions, mode: 'start' | 'dev' = 'start'): Promise<void> {
  const startedAtMs = performance.now();
  const { config, warnings } = loadConfig({
    file: chooseConfigFile(options.config),
    flags: options.port === undefined ? {} : { 'server.port': options.port },
  });
  const log = createLog({ level: config.log.level });
  for (const warning of warnings) log.warn(warning);
  const workflowPaths = chooseWorkflowPaths(options.workflows);
  const dataDir = resolve(options.data);
  const lock = takeDataFolder(dataDir);
  try {
    // The gateway reads it; what is wrong with it is said before anything is started.
    ensureAdminToken(dataDir);
    warnOfGit(dataDir, log);
    let database = 'the one of [database_nflow] dsn';
    const startPostgres = async (): Promise<PostgresLife> => {
      const postgres = await startEmbeddedPostgres({ dataDir, log });
      database = `embedded, ${postgres.description}`;
      return lifeOf(postgres);
    };
    const supervisor = new Supervisor({
      config,
      dataDir,
      workflowPaths,
      dev: mode === 'dev',
      gatewayScript: besideThisFile('gateway-entry'),
      startPostgres: config.databaseNflow.dsn === null ? startPostgres : null,
      log,
    });
    await runUntilStopped(supervisor, (serving) => {
      const address = reachableAddress(serving);
      const adminAddress = serving.admin === null ? address : reachableAddress(serving.admin);
      writeLine(
        formatBanner({
          version: readVersion(),
          address,
          admin: {
            address: adminAddress,
            tokenFile: adminTokenPath(dataDir),
            readsAreOpen: adminAccessOf(config).readsAreOpen,
          },
          dataDir,
          database,
          startedInMs: performance.now() - startedAtMs,
          report: serving.report,
          commands: commandsToTry(address, adminAddress, serving.report.routes),
        }),
      );
    });
  } finally {
    lock.release();
  }
}

/** Starts it, tells when it serves, and comes back when it has stopped: after a signal, or with the error of a failed start. */
async function runUntilStopped(supervisor: Supervisor, onServing: (serving: Serving) => void): Promise<void> {
  const stopRequested = Promise.withResolvers<void>();
  onStopSignals(stopRequested.resolve, (exit) => {
    supervisor.kill();
    process.exit(exit);
  });
  onLauncherDeath(stopRequested.resolve);
  // The signal handlers alone do not keep the process alive while it waits.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const serving = await Promise.race([supervisor.start(), stopRequested.promise]);
    if (serving !== undefined) {
      onServing(serving);
      await stopRequested.promise;
    }
  } finally {
    await supervisor.stop();
    clearInterval(alive);
  }
}

function chooseWorkflowPaths(named: string[] | undefined): string[] {
  if (named === undefined) return existsSync(usualWorkflowsDir) ? [resolve(usualWorkflowsDir)] : [];
  return named.map((path) => {
    if (existsSync(path)) return resolve(path);
    throw new NflowError('invalid_config', `There is no ${path}.`, {
      got: path,
      expected: 'a folder of workflow files, or such a file',
      remedy: 'Correct --workflows.',
    });
  });
}

function warnOfGit(dataDir: string, log: Log): void {
  if (!isUnignoredInGit(dataDir)) return;
  const shown = relative(process.cwd(), dataDir);
  log.warn(
    `The data folder ${shown} lies in a git work tree that does not ignore it: add it to .gitignore before the next commit.`,
  );
}

function lifeOf(postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>): PostgresLife {
  return {
    pid: postgres.pid,
    dsn: postgres.dsn,
    exited: postgres.exited.then(({ code, signal }) => (signal === null ? `exit code ${code}` : `signal ${signal}`)),
    stop: () => postgres.stop(),
    // PostgreSQL's immediate shutdown: it ends its own processes, which SIGKILL would leave behind for a moment.
    kill: () => signalProcess(postgres.pid, 'SIGQUIT'),
  };
}

/** Path of another script of this folder, from the sources as from the build. */
function besideThisFile(name: string): string {
  return fileURLToPath(new URL(`${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
}
