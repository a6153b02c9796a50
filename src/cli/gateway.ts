/**
 * The gateway's process: wires the parts together, serves until the supervisor says drain, and ends when the supervisor is gone.
 */
import { hostname } from 'node:os';
import { createDispatcher } from '../dispatch/dispatcher.ts';
import type { Dispatcher } from '../dispatch/port.ts';
import { createEffects } from '../effects/effects.ts';
import type { Effects } from '../effects/port.ts';
import { createEngine, type ExecutionEngine } from '../engine/engine.ts';
import { NflowError } from '../errors.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { createGuestLimits } from '../protocol/guest-limits.ts';
import { WorkflowRegistry } from '../registry/workflow-registry.ts';
import { createServer, type HttpServer, type ListenTarget } from '../server/create-server.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/port.ts';
import { killGroup } from '../supervisor/gateway-process.ts';
import { portTaken } from '../supervisor/listen-socket.ts';
import type { FromGateway, ServeOrder, ToGateway } from '../supervisor/messages.ts';
import { exitCode } from './exit-code.ts';
import { exitCodeOf } from './failure.ts';
import { publishWorkflowFiles } from './publish.ts';
import { StoreWatch } from './store-watch.ts';
import { Takeover } from './takeover.ts';
import { readVersion } from './version.ts';

/** How late `nflow_history_dropped_total` may be. */
const historyCountIntervalMs = 1_000;

/** What serves. Made in this order, closed in the opposite one. */
interface Gateway {
  order: ServeOrder;
  log: Log;
  store: Store;
  storeWatch: StoreWatch;
  effects: Effects;
  dispatcher: Dispatcher;
  engine: ExecutionEngine;
  registry: WorkflowRegistry;
  server: HttpServer;
  takeover: Takeover;
}

/** Resolves when the message has left this process. */
function tell(message: FromGateway): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

async function build(order: ServeOrder, log: Log): Promise<Gateway> {
  const { config } = order;
  const metrics = createMetrics({ vmPoolMetrics: config.vmPool.enableMetrics });
  const [store, dispatcher] = await Promise.all([
    openStore({
      dsn: order.dsn,
      serverName: hostname(),
      // The embedded server is nobody else's.
      exclusive: config.databaseNflow.dsn === null,
      unsafe: config.databaseNflow.unsafe,
      log,
    }),
    createDispatcher({
      vmPool: config.vmPool,
      fastRunners: config.runners.fast,
      limits: createGuestLimits(config.server.jsonDepthMax),
      log,
    }),
  ]);
  watchFence(store, log);
  const effects = createEffects(config);
  const registry = new WorkflowRegistry({ vars: config.vars, store: store.workflows, log });
  const engine = createEngine({
    dispatcher,
    effects,
    store,
    observer: metrics,
    recordedBufferMax: config.history.buffer,
    findVersion: (versionId) => registry.version(versionId),
    log,
  });
  const storeWatch = new StoreWatch(store);
  const server = createServer({
    config,
    engine,
    routes: () => registry.routes,
    history: store.history,
    workflows: { list: () => registry.list(), version: (versionId) => store.workflows.version(versionId) },
    metrics,
    health: { ready: () => readiness(storeWatch, dispatcher) },
    log,
    version: readVersion(),
    bytesElsewhere: () => store.stats().pendingBytes,
  });
  watchMetrics(metrics, store, dispatcher, engine);
  const takeover = new Takeover({ incarnation: store.incarnation, engine, log });
  return { order, log, store, storeWatch, effects, dispatcher, engine, registry, server, takeover };
}

/** Somebody took this incarnation over, believing it dead: nothing more may leave this process. */
function watchFence(store: Store, log: Log): void {
  void tell({ type: 'incarnation', id: store.incarnation.id });
  store.incarnation.onFenced(() => {
    log.error('another server took over the executions of this one: it could not reach the database for too long');
    endAtOnce();
  });
}

function watchMetrics(metrics: Metrics, store: Store, dispatcher: Dispatcher, engine: ExecutionEngine): void {
  store.onCommit = (rows, durationMs) => metrics.onCommit(rows, durationMs);
  metrics.watch({ vmPool: () => dispatcher.stats(), databasePool: () => store.stats() });
  let droppedBefore = 0;
  const countDropped = (): void => {
    if (engine.historyDropped > droppedBefore) metrics.onHistoryDropped(engine.historyDropped - droppedBefore);
    droppedBefore = engine.historyDropped;
  };
  setInterval(countDropped, historyCountIntervalMs).unref();
}

function readiness(storeWatch: StoreWatch, dispatcher: Dispatcher): { ready: boolean; reasons: string[] } {
  const reasons: string[] = [];
  if (!storeWatch.isUp) reasons.push('the database is not reached');
  if (!dispatcher.ready) reasons.push('no runner is up');
  return { ready: reasons.length === 0, reasons };
}

async function serve({ order, registry, server, takeover }: Gateway): Promise<void> {
  await registry.load();
  const report = await publishWorkflowFiles(registry, order.workflowPaths, order.config.vars);
  await server.listen(listenTarget(order)).catch((error: NodeJS.ErrnoException) => {
    const { host, port } = order.config.server;
    throw error.code === 'EADDRINUSE' ? portTaken(host, port) : error;
  });
  void tell({ type: 'ready', report });
  await takeover.start(order.deadIncarnations);
  void tell({ type: 'tookOver' });
}

function listenTarget({ listenFd, config }: ServeOrder): ListenTarget {
  return listenFd === null ? { host: config.server.host, port: config.server.port } : { fd: listenFd };
}

/** Answers what is in flight, commits it, then lets go of everything. */
async function drain(gateway: Gateway): Promise<void> {
  const { server, takeover, engine, effects, store, storeWatch, dispatcher } = gateway;
  const deadlineMs = performance.now() + gateway.order.config.server.drainTimeoutMs;
  const leftMs = (): number => Math.max(0, deadlineMs - performance.now());
  takeover.close();
  await Promise.all([server.close(leftMs()), engine.drain(leftMs())]);
  engine.close();
  storeWatch.close();
  await effects.close();
  await store.close(leftMs());
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
  process.on('disconnect', endAtOnce);
  process.on('message', (message: ToGateway) => void (message.type === 'serve' ? start(message) : stop()));
  process.on('SIGTERM', () => void stop());
  // Ctrl-C is for the supervisor, which then says drain.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
}

main();
