/** A server with all of its API: on a real database and a real registry, and with runners where a test needs them. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config/load.ts';
import { createDispatcher } from '../../src/dispatch/dispatcher.ts';
import { createEffects } from '../../src/effects/effects.ts';
import { createEngine, type ExecutionEngine } from '../../src/engine/engine.ts';
import { createTestRuns } from '../../src/engine/test-run.ts';
import { createSilentLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createGuestLimits } from '../../src/protocol/guest-limits.ts';
import { WorkflowCatalog } from '../../src/registry/workflow-catalog.ts';
import { WorkflowRegistry } from '../../src/registry/workflow-registry.ts';
import { openKeyRing } from '../../src/secrets/key-ring.ts';
import { SecretVault } from '../../src/secrets/vault.ts';
import { createServer } from '../../src/server/create-server.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/port.ts';
import { silentLog, startTestPostgres } from '../support/postgres.ts';
import { adminToken, TestEngine } from './server-under-test.ts';

const quiet = { warn: () => {} };

export interface Reply {
  status: number;
  type: string | null;
  headers: Headers;
  // What came is looked at field by field.
  body: Record<string, unknown>;
}

export interface ApiUnderTest extends AsyncDisposable {
  origin: string;
  store: Store;
  registry: WorkflowRegistry;
  /** Null without runners. */
  engine: ExecutionEngine | null;
  /** With the admin token. `path` is below `/nflow/api/v1`; a body that is not a text goes as JSON. */
  call(method: string, path: string, body?: unknown): Promise<Reply>;
}

export interface ApiOptions {
  withRunners?: boolean;
  /** `host:port` that effects may call. */
  egressAllow?: string[];
}

export async function startApi(options: ApiOptions = {}): Promise<ApiUnderTest> {
  const postgres = await startTestPostgres();
  const dsn = await postgres.createDatabase();
  const store = await openStore({ dsn, serverName: 'test-machine', exclusive: true, unsafe: false, log: silentLog });
  const { config } = loadConfig({ env: {} });
  config.egress.allow = options.egressAllow ?? [];
  const registry = new WorkflowRegistry({ vars: {}, store: store.workflows, release: 'test', log: quiet });
  await registry.load();
  const effects = createEffects(config);
  const dispatcher =
    options.withRunners === true
      ? await createDispatcher({
          // A machine that is busy with other tests takes its time to start a runner.
          vmPool: { ...config.vmPool, preloadSize: 1, acquireTimeoutMs: 60_000 },
          fastRunners: 1,
          slowRunners: 1,
          limits: createGuestLimits(config.server.jsonDepthMax),
          log: createSilentLog(),
        })
      : null;
  const engine =
    dispatcher === null
      ? null
      : createEngine({
          dispatcher,
          effects,
          store,
          observer: { onExecution: () => {}, onEffect: () => {} },
          recordedBufferMax: 100,
          findVersion: (versionId) => registry.version(versionId),
          log: quiet,
        });
  const keys = openKeyRing({ key: '1'.repeat(64), previousKey: null }, '');
  const secrets = await SecretVault.open({ store: store.secrets, keys, log: createSilentLog() });
  const server = createServer({
    config,
    engine: engine ?? new TestEngine(),
    routes: () => registry.routes,
    history: store.history,
    workflows: { list: () => registry.list(), version: (versionId) => store.workflows.version(versionId) },
    api: {
      catalog: new WorkflowCatalog(registry, store.workflows),
      testRuns: dispatcher === null ? null : createTestRuns(dispatcher, effects),
      events: engine,
      incarnations: () => store.incarnations(),
      secrets,
      server: 'test-machine',
      incarnation: store.incarnation.id,
    },
    checkAnswers: true,
    metrics: createMetrics({ processMetrics: false }),
    health: { ready: () => ({ ready: true, reasons: [] }) },
    log: createSilentLog(),
    version: '0.0.0-test',
    adminToken,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    store,
    registry,
    engine,
    call: (method, path, body) => call(`${origin}/nflow/api/v1${path}`, method, body),
    [Symbol.asyncDispose]: async () => {
      await server.close(0);
      secrets.close();
      engine?.close();
      await effects.close();
      await dispatcher?.close();
      await store.close(1_000);
      await postgres.stop();
    },
  };
}

async function call(url: string, method: string, body: unknown): Promise<Reply> {
  const headers: Record<string, string> = { authorization: `Bearer ${adminToken}` };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(url, { method, headers, ...(text === undefined ? {} : { body: text as string }) });
  const answered = await answer.text();
  const type = answer.headers.get('content-type');
  return {
    status: answer.status,
    type,
    headers: answer.headers,
    body: answered === '' ? {} : (JSON.parse(answered) as Record<string, unknown>),
  };
}

/** Asserts the status, with what the server said when it is another. */
export function assertStatus(reply: Reply, status: number, code?: string): void {
  assert.equal(reply.status, status, JSON.stringify(reply.body));
  if (status < 400) return;
  assert.equal(reply.type, 'application/problem+json');
  assert.equal(reply.body.code, code);
}

/** A workflow that answers a text at `GET path`. */
export function greeting(name: string, path: string, text = 'hello'): Record<string, unknown> {
  return {
    format: 1,
    name,
    triggers: [{ type: 'http', method: 'GET', path }],
    nodes: { reply: { type: 'code', code: `return { text: ${JSON.stringify(text)} };` } },
  };
}
