/**
 * The gateway's process: wires the parts together, serves until the supervisor says drain, and ends when the supervisor is gone.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { adminAccessOf } from '../config/admin-access.ts';
import { ensureAdminToken } from '../config/admin-token.ts';
import { type ResourceTable, resourceTableOf } from '../config/grants.ts';
import type { ListenAddress } from '../config/listen-address.ts';
import { createDispatcher, type RunnerDispatcher } from '../dispatch/dispatcher.ts';
import { chooseIsolation } from '../dispatch/isolation/choose-plan.ts';
import { LearnedTimesFile, learnedTimesFile } from '../dispatch/learned-times-file.ts';
import type { Dispatcher } from '../dispatch/port.ts';
import { secretFields } from '../effects/definitions.ts';
import { createEffects } from '../effects/effects.ts';
import type { Effects } from '../effects/port.ts';
import { createEngine, type ExecutionEngine } from '../engine/engine.ts';
import { createTestRuns } from '../engine/test-run.ts';
import { NflowError } from '../errors.ts';
import { FileRoot, fileRootPath } from '../files/file-root.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { createGuestLimits } from '../protocol/guest-limits.ts';
import { createOwnRedis } from '../redis/own-redis.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import { WorkflowCatalog } from '../registry/workflow-catalog.ts';
import { WorkflowRegistry } from '../registry/workflow-registry.ts';
import { openKeyRing } from '../secrets/key-ring.ts';
import { SecretVault } from '../secrets/vault.ts';
import { createServer, type HttpServer, type ListenTarget } from '../server/create-server.ts';
import { executionView } from '../server/execution-view.ts';
import { reservedPathsOf } from '../server/monitor-paths.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/port.ts';
import { killGroup } from '../supervisor/gateway-process.ts';
import { type ListenSetting, portTaken } from '../supervisor/listen-socket.ts';
import type { FromGateway, ServeOrder, ToGateway } from '../supervisor/messages.ts';
import { DevSession } from './dev-session.ts';
import { exitCode } from './exit-code.ts';
import { exitCodeOf } from './failure.ts';
import { logIsolation } from './isolation-report.ts';
import { publishWorkflowFiles } from './publish.ts';
import { StoreWatch } from './store-watch.ts';
import { Takeover } from './takeover.ts';
import { readVersion } from './version.ts';
import { createEvaluator } from './workflow-evaluator.ts';

/** How late `nflow_history_dropped_total` may be. */
const historyCountIntervalMs = 1_000;

/** What serves. Made in this order, closed in the opposite one. */
interface Gateway {
  order: ServeOrder;
  log: Log;
  store: Store;
  secrets: SecretVault;
  /** Null when none is configured. */
  redis: RedisConnection | null;
  storeWatch: StoreWatch;
  effects: Effects;
  dispatcher: RunnerDispatcher;
  learnedTimes: LearnedTimesFile;
  engine: ExecutionEngine;
  registry: WorkflowRegistry;
  server: HttpServer;
  takeover: Takeover;
  /** Null but for `nflow dev`. */
  dev: DevSession | null;
}

/** Resolves when the message has left this process. */
function tell(message: FromGateway): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

/** Begun before there is an order: it takes as long as a PostgreSQL that starts. */
const usualIsolation = chooseIsolation();
// Awaited when the order is there; until then nobody looks.
usualIsolation.catch(() => {});

async function build(order: ServeOrder, log: Log): Promise<Gateway> {
  const { config } = order;
  const metrics = createMetrics({ vmPoolMetrics: config.vmPool.enableMetrics });
  const learnedTimes = new LearnedTimesFile(join(order.dataDir, learnedTimesFile), log);
  const [store, dispatcher] = await Promise.all([
    openStore({
      dsn: order.dsn,
      serverName: hostname(),
      // The embedded server is nobody else's.
      exclusive: config.databaseNflow.dsn === null,
      unsafe: config.databaseNflow.unsafe,
      history: {
        retentionMs: config.history.retentionMs,
        classes: config.history.classes,
        bytesMax: config.history.bytesMax === 0 ? null : config.history.bytesMax,
      },
      log,
    }),
    createDispatcher({
      vmPool: config.vmPool,
      fastRunners: config.runners.fast,
      slowRunners: config.runners.slow,
      learned: learnedTimes.read(),
      observer: metrics,
      limits: createGuestLimits(config.server.jsonDepthMax),
      isolation: config.runners.omit.length === 0 ? usualIsolation : chooseIsolation(config.runners.omit),
      requiredLayers: config.runners.require,
      log,
    }),
  ]);
  logIsolation(dispatcher.layers, log);
  watchFence(store, log);
  const secrets = await SecretVault.open({
    store: store.secrets,
    keys: openKeyRing(config.secrets, order.dataDir),
    log,
  });
  const resources = withSecretGrants(resourceTableOf(config), secrets);
  const files = new FileRoot(fileRootPath(config, order.dataDir), config.files);
  const redis = createOwnRedis(config.redis, log);
  // Begun here, and not waited for.
  void redis?.connect();
  const effects = createEffects(config, resources, files, { source: secrets, fields: secretFields }, redis);
  const registry = new WorkflowRegistry({
    vars: config.vars,
    historyClasses: Object.keys(config.history.classes),
    resources,
    store: store.workflows,
    reservedPaths: reservedPathsOf(config.monitor),
    release: readVersion(),
    log,
  });
  const engine = createEngine({
    dispatcher,
    effects,
    store,
    observer: metrics,
    recordedBufferMax: config.history.buffer,
    circuitBreaker: config.circuitBreaker,
    findVersion: (versionId) => registry.version(versionId),
    log,
  });
  const storeWatch = new StoreWatch(store);
  const dev = order.dev ? createDevSession(order, registry, dispatcher, store) : null;
  const server = createServer({
    config,
    engine: dev?.observe(engine) ?? engine,
    routes: () => registry.routes,
    history: store.history,
    workflows: { list: () => registry.list(), version: (versionId) => store.workflows.version(versionId) },
    api: {
      catalog: new WorkflowCatalog(registry, store.workflows),
      testRuns: createTestRuns(dispatcher, effects),
      events: engine,
      incarnations: () => store.incarnations(),
      secrets,
      isolation: () => dispatcher.layers.map(({ layer, on, why }) => ({ layer, isOn: on, detail: why })),
      server: hostname(),
      incarnation: store.incarnation.id,
    },
    files,
    metrics,
    health: { ready: () => readiness(storeWatch, dispatcher) },
    log,
    version: readVersion(),
    adminToken: ensureAdminToken(order.dataDir),
    bytesElsewhere: () => store.stats().pendingBytes + engine.heldBytes,
  });
  learnedTimes.keep(() => dispatcher.learned());
  watchMetrics(metrics, store, dispatcher, engine, log);
  metrics.watch({ redis: () => redis?.stats });
  metrics.watch({ cache: () => effects.cache?.stats(), datasources: () => effects.datasources() });
  const takeover = new Takeover({ incarnation: store.incarnation, engine, log });
  return {
    order,
    log,
    store,
    secrets,
    redis,
    storeWatch,
    effects,
    dispatcher,
    learnedTimes,
    engine,
    registry,
    server,
    takeover,
    dev,
  };
}

/** Secrets come and go while the server runs: what is granted is looked up each time. */
function withSecretGrants(table: ResourceTable, vault: SecretVault): ResourceTable {
  return {
    ...table,
    get secrets() {
      return vault.grants();
    },
  };
}

function createDevSession(
  order: ServeOrder,
  registry: WorkflowRegistry,
  dispatcher: Dispatcher,
  store: Store,
): DevSession {
  return new DevSession({
    registry,
    paths: order.workflowPaths,
    evaluator: createEvaluator(dispatcher),
    find: async (executionId) => {
      const stored = await store.history.get(executionId);
      if (stored === null) return null;
      const nodes = registry.get(stored.workflow)?.compiled.program.nodes ?? [];
      return executionView(stored, new Map(nodes.map(({ name, type }) => [name, type])));
    },
  });
}

/** Somebody took this incarnation over, believing it dead: nothing more may leave this process. */
function watchFence(store: Store, log: Log): void {
  void tell({ type: 'incarnation', id: store.incarnation.id });
  store.incarnation.onFenced(() => {
    log.error('another server took over the executions of this one: it could not reach the database for too long');
    endAtOnce();
  });
}

function watchMetrics(metrics: Metrics, store: Store, dispatcher: Dispatcher, engine: ExecutionEngine, log: Log): void {
  store.onCommit = (rows, durationMs) => metrics.onCommit(rows, durationMs);
  metrics.watch({
    vmPool: () => dispatcher.stats(),
    databasePool: () => store.stats(),
    circuits: () => engine.circuits,
  });
  let droppedBefore = 0;
  const countDropped = (): void => {
    const rows = engine.historyDropped - droppedBefore;
    if (rows === 0) return;
    droppedBefore += rows;
    metrics.onHistoryDropped(rows);
    log.error({ rows }, 'the database takes no rows and [history] buffer is full: recorded executions are not kept');
  };
  setInterval(countDropped, historyCountIntervalMs).unref();
}

function readiness(storeWatch: StoreWatch, dispatcher: Dispatcher): { ready: boolean; reasons: string[] } {
  const reasons: string[] = [];
  if (!storeWatch.isUp) reasons.push(storeWatch.reason);
  if (!dispatcher.ready) reasons.push('no runner is up');
  return { ready: reasons.length === 0, reasons };
}

async function serve({ order, registry, dispatcher, server, takeover, dev }: Gateway): Promise<void> {
  await registry.load();
  const files = { registry, paths: order.workflowPaths, evaluator: createEvaluator(dispatcher) };
  const report = await (dev?.publish() ?? publishWorkflowFiles(files));
  const { config } = order;
  const { listen } = adminAccessOf(config);
  if (listen !== null) {
    const target = listenTarget(order.adminFd, listen);
    await server.listenAdmin(target).catch((error) => refuseTaken(error, listen, '[admin] listen'));
  }
  const target = listenTarget(order.listenFd, config.server);
  await server.listen(target).catch((error) => refuseTaken(error, config.server, '[server] host and port'));
  void tell({ type: 'ready', report });
  await dev?.watch();
  await takeover.start(order.deadIncarnations);
  void tell({ type: 'tookOver' });
}

function listenTarget(fd: number | null, { host, port }: ListenAddress): ListenTarget {
  return fd === null ? { host, port } : { fd };
}

function refuseTaken(error: NodeJS.ErrnoException, { host, port }: ListenAddress, setting: ListenSetting): never {
  throw error.code === 'EADDRINUSE' ? portTaken(host, port, setting) : error;
}

/** Answers what is in flight, commits it, then lets go of everything. */
async function drain(gateway: Gateway): Promise<void> {
  const { server, takeover, engine, effects, store, storeWatch, dispatcher, learnedTimes } = gateway;
  const deadlineMs = performance.now() + gateway.order.config.server.drainTimeoutMs;
  const leftMs = (): number => Math.max(0, deadlineMs - performance.now());
  gateway.dev?.close();
  takeover.close();
  await Promise.all([server.close(leftMs()), engine.drain(leftMs())]);
  engine.close();
  storeWatch.close();
  await effects.close();
  gateway.redis?.close();
  gateway.secrets.close();
  await store.close(leftMs());
  learnedTimes.close();
  await dispatcher.close();
}

/** Ends this process and, with its group, every runner, also one that is stuck in native code and heeds nothing. */
function endAtOnce(): never {
  killGroup(process.pid);
  // Only where it is not the leader of a group: started by hand.
  process.exit(exitCode.failed);
}

async function refuse(error: unknown, log: Log): Promise<never> {
  if (!(error instanceof NflowError)) {
    log.error({ error }, 'the gateway could not start');
    process.exit(exitCode.failed);
  }
  const { got, expected, remedy } = error.details;
  await tell({ type: 'refused', refusal: { code: error.code, message: error.message, got, expected, remedy } });
  process.exit(exitCodeOf(error));
}

/**
 *   waiting for the order ── serve ──► starting ──► serving ── drain or SIGTERM ──► draining ──► exit 0
 *                                         ├── refusal ──► exit with its code
 *                                         └── drain ──► end at once: nothing was accepted yet
 *
 * In every state: the supervisor is gone ──► end at once. What was under way is taken over like that of any killed gateway.
 */
function main(): void {
  let gateway: Gateway | null = null;
  let isDraining = false;
  const stop = async (): Promise<void> => {
    if (isDraining) return;
    isDraining = true;
    if (gateway === null) endAtOnce();
    await drain(gateway).catch((error) => gateway?.log.error({ error }, 'the gateway did not stop in order'));
    process.exit(exitCode.done);
  };
  const start = async (order: ServeOrder): Promise<void> => {
    const log = createLog({ level: order.config.log.level });
    try {
      gateway = await build(order, log);
      await serve(gateway);
    } catch (error) {
      if (!isDraining) await refuse(error, log);
    }
  };
  // The supervisor may be gone before anybody listened.
  if (!process.connected) endAtOnce();
  process.on('disconnect', endAtOnce);
  process.on('message', (message: ToGateway) => void (message.type === 'serve' ? start(message) : stop()));
  process.on('SIGTERM', () => void stop());
  // Ctrl-C is for the supervisor, which then says drain.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
}

main();
