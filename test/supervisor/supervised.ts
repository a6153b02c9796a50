/** A supervisor over the fake gateway, in a folder and on a port of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/load.ts';
import { createSilentLog } from '../../src/observe/log.ts';
import { type Serving, Supervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';

export interface GatewayAnswer {
  pid: number;
  incarnation: string;
  dead: string[];
}

export interface Supervised {
  supervisor: Supervisor;
  /** Starts it and tells where it listens. */
  start(): Promise<Serving>;
  ask(): Promise<GatewayAnswer>;
}

export function temporaryFolder(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-supervisor-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function supervise(
  test: TestContext,
  act: string | null = null,
  changes: Partial<SupervisorOptions> = {},
): Supervised {
  const { config } = loadConfig({ env: {}, flags: { 'server.drain_timeout': '100ms', 'server.port': '0' } });
  config.databaseNflow.dsn = 'postgres://nobody@localhost/none';
  if (act !== null) config.vars.act = act;
  const supervisor = new Supervisor({
    config,
    dataDir: changes.dataDir ?? temporaryFolder(test),
    workflowPaths: [],
    gatewayScript: fileURLToPath(new URL('fake-gateway.ts', import.meta.url)),
    startPostgres: null,
    log: createSilentLog(),
    ...changes,
  });
  test.after(() => supervisor.stop());
  let port = 0;
  const start = async (): Promise<Serving> => {
    const serving = await supervisor.start();
    port = serving.port;
    return serving;
  };
  const ask = async (): Promise<GatewayAnswer> => {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    return (await response.json()) as GatewayAnswer;
  };
  return { supervisor, start, ask };
}

/** Polls until the condition holds; fails after 20 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited 20 s in vain for: ${what}`);
    await delay(10);
  }
}
