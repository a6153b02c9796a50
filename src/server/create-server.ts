/**
 * The HTTP server. A connection begins on the short way (plain-connection.ts); what that does not take goes to Node's server, and
 * there to the workflows (trigger-handler.ts) or to Fastify.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { adminAccessOf } from '../config/admin-access.ts';
import type { Config } from '../config/config.ts';
import type { ActiveWorkflow, Engine } from '../engine/port.ts';
import type { FileRoot } from '../files/file-root.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { History } from '../store/port.ts';
import type { RouteTable } from '../workflow/routes.ts';
import { isOwnAddress } from '../workflow/trigger-path.ts';
import type { AdminDoor } from './access.ts';
import { createAdministration, type Readiness, type RequestListener } from './administration.ts';
import { Admission } from './admission.ts';
import type { ApiParts } from './api/parts.ts';
import { limitsOf } from './api/system-limits.ts';
import { connectionOf } from './connection.ts';
import { answerConnectionError } from './connection-error.ts';
import { ConnectionLimit, toldConnectionsMax } from './connection-limit.ts';
import { takeOver } from './direct-socket.ts';
import { createLimitedServer } from './limited-server.ts';
import { MonitorPaths } from './monitor-paths.ts';
import { connectionsMax } from './open-files.ts';
import { PlainConnections } from './plain-connection.ts';
import { ProxyTrust } from './proxy-trust.ts';
import { TriggerHandler } from './trigger-handler.ts';
import { InputPlans } from './trigger-input.ts';

/** Connections that wait to be accepted; the system's own limit (`somaxconn`) cuts it. Past it clients think that they are connected. */
const listenBacklog = 4096;
/** To a port of administration come a few browsers and tools, and a Prometheus. */
const adminConnectionsMax = 64;

/** What the API shows of the workflows that are served here. */
export interface WorkflowDirectory {
  /** Those that are published, by name. */
  list(): readonly ActiveWorkflow[];
  /** The definition of a version, also of one that is no longer published; null when there is none. */
  version(versionId: number): Promise<{ definitionText: string } | null>;
}

/** The rest of what the API works on; what is left out answers `not_available`. */
export type ApiOptions = Partial<
  Pick<ApiParts, 'catalog' | 'testRuns' | 'events' | 'incarnations' | 'secrets'> &
    Pick<ApiParts['system'], 'server' | 'incarnation' | 'isolation'>
>;

export interface ServerOptions {
  config: Config;
  engine: Engine;
  /** The table of this moment. */
  routes: () => RouteTable<ActiveWorkflow>;
  /** Null without a store. */
  history: History | null;
  workflows: WorkflowDirectory;
  api?: ApiOptions;
  /** Answers of the API are checked against what is documented; one that differs becomes an internal error. Default: false. */
  checkAnswers?: boolean;
  /** Of workflows: uploads go there, and answers that are files come from there. Default: none. */
  files?: FileRoot;
  metrics: Metrics;
  /** What else must be there to take traffic: the store, a runner. That the server is not stopping is added here. */
  health: { ready(): Readiness };
  log: Log;
  version: string;
  /** What administration asks for: `ensureAdminToken`. */
  adminToken: string;
  /** Bytes that engine, runners and store hold, counted against `max_inflight_bytes`. Default: none. */
  bytesElsewhere?: () => number;
  /** Connections of clients at one time. Default: what the limit of open files leaves. */
  connectionsMax?: number;
}

export type ListenTarget = { fd: number } | { host: string; port: number };

export interface HttpServer {
  /** Rejects with the system's error (`code` EADDRINUSE, EACCES …). */
  listen(target: ListenTarget): Promise<{ host: string; port: number }>;
  /** For `[admin] listen`; otherwise as `listen`. */
  listenAdmin(target: ListenTarget): Promise<{ host: string; port: number }>;
  /** Null until it listens. */
  readonly address: { host: string; port: number } | null;
  /** Of the port of administration. Null until it listens, and where there is none. */
  readonly adminAddress: { host: string; port: number } | null;
  /** Bytes of bodies and answers that are held. */
  readonly inflightBytes: number;
  /** Connections of clients. */
  readonly openConnections: number;
  /**
   * Refuses new work with 503, waits for open answers (at most `drainMs`), then closes every connection. It goes on accepting
   * meanwhile, so that `/ready` can tell a proxy. Calling it again waits for the same end.
   */
  close(drainMs: number): Promise<void>;
}

export function createServer(options: ServerOptions): HttpServer {
  return new NflowHttpServer(options);
}

class NflowHttpServer implements HttpServer {
  readonly #options: ServerOptions;
  readonly #admission: Admission;
  readonly #connections: ConnectionLimit;
  readonly #triggers: TriggerHandler;
  /** On the main port: health and readiness; the rest too when it has no port of its own. */
  readonly #main: FastifyInstance;
  /** On the port of administration; null where there is none. */
  readonly #admin: FastifyInstance | null;
  readonly #plain: PlainConnections;
  readonly #monitorPaths: MonitorPaths;
  readonly #api: ApiParts;
  readonly #stopping = new AbortController();
  #closing: Promise<void> | null = null;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { config, log, metrics } = options;
    this.#monitorPaths = new MonitorPaths(config.monitor);
    const { server: limits } = config;
    this.#admission = new Admission(limits.maxInflightBytes, options.bytesElsewhere ?? (() => 0));
    const shared = {
      limits,
      engine: options.engine,
      routes: options.routes,
      plans: new InputPlans(limits, config.cors),
      admission: this.#admission,
      files: options.files ?? null,
      metrics,
      log,
    };
    this.#triggers = new TriggerHandler(shared);
    this.#api = this.#createApi();
    const { listen, readsAreOpen } = adminAccessOf(config);
    const door: AdminDoor = { token: options.adminToken, readsAreOpen, proxies: new ProxyTrust(limits.trustProxy) };
    this.#main = this.#createFastify(listen === null ? door : null, (req) => isOwnAddress(req.url as string));
    this.#admin = listen === null ? null : this.#createFastify(door, () => true);
    if (this.#admin !== null) this.#admin.server.maxConnections = adminConnectionsMax;
    const max = options.connectionsMax ?? connectionsMax();
    this.#connections = new ConnectionLimit(max, metrics);
    if (max !== Number.POSITIVE_INFINITY) this.#main.server.maxConnections = max + toldConnectionsMax;
    this.#plain = new PlainConnections(
      {
        ...shared,
        isDraining: () => this.#triggers.isDraining,
        onOpened: () => this.#triggers.onOpened(),
        onClosed: () => this.#triggers.onClosed(),
        handOver: divertConnections(this.#main.server, (socket) => this.#accept(socket)),
      },
      limits.keepAliveTimeoutMs,
    );
  }

  #createApi(): ApiParts {
    const { config, engine, history, workflows, version, api = {} } = this.#options;
    const { catalog = null, testRuns = null, events = null, incarnations = null, secrets = null } = api;
    return {
      history,
      catalog,
      testRuns,
      events,
      incarnations,
      secrets,
      definitionOf: async (versionId) => (await workflows.version(versionId))?.definitionText ?? null,
      system: {
        version,
        server: api.server ?? 'localhost',
        incarnation: api.incarnation ?? null,
        startedAt: new Date(),
        readiness: () => this.#readiness(),
        executionsInFlight: () => engine.inFlight,
        workflowsPublished: () => workflows.list().length,
        isolation: api.isolation ?? (() => []),
        limits: limitsOf(config),
      },
      stopping: this.#stopping.signal,
    };
  }

  #accept(accepted: Socket): void {
    const direct = takeOver(accepted);
    if (this.#connections.admit(direct.socket)) this.#plain.accept(direct);
  }

  #readiness(): Readiness {
    const { ready, reasons } = this.#options.health.ready();
    return this.#closing === null
      ? { ready, reasons }
      : { ready: false, reasons: ['the server is stopping', ...reasons] };
  }

  /** Fastify on a server of Node's: requests that `isForFastify` does not name go to the workflows. */
  #createFastify(door: AdminDoor | null, isForFastify: (req: IncomingMessage) => boolean): FastifyInstance {
    const { config, metrics, log, version, checkAnswers = false } = this.#options;
    const limits = config.server;
    return createAdministration(
      { api: this.#api, metrics, readiness: () => this.#readiness(), log, version, door, checkAnswers },
      (administration) =>
        createLimitedServer({
          limits,
          metrics,
          onRequest: (req, res, expectsContinue) => {
            req.url = this.#monitorPaths.routeUrl(req.url as string);
            if (isForFastify(req)) this.#administer(administration, req, res, expectsContinue);
            else this.#triggers.handle(req, res, expectsContinue);
          },
        }),
      (error, socket) => answerConnectionError(error, socket, limits, metrics),
    );
  }

  #administer(
    administration: RequestListener,
    req: IncomingMessage,
    res: ServerResponse,
    expectsContinue: boolean,
  ): void {
    const connection = connectionOf(req.socket);
    connection.answersOpen++;
    res.on('close', () => connection.answersOpen--);
    if (this.#closing !== null) res.setHeader('connection', 'close');
    if (expectsContinue) res.writeContinue();
    administration(req, res);
  }

  listen(target: ListenTarget): Promise<{ host: string; port: number }> {
    return this.#listenOn(this.#main, target);
  }

  async listenAdmin(target: ListenTarget): Promise<{ host: string; port: number }> {
    if (this.#admin === null) throw new Error('administration has no address of its own in this configuration');
    return this.#listenOn(this.#admin, target);
  }

  async #listenOn(app: FastifyInstance, target: ListenTarget): Promise<{ host: string; port: number }> {
    await app.ready();
    const { server } = app;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    // As an argument: for a socket that is given by its descriptor, Node does not look at the option.
    server.listen(target, listenBacklog, resolve);
    await promise;
    server.off('error', reject);
    server.on('error', (error) => this.#options.log.error({ error }, 'the listening socket failed'));
    return addressOf(server) as { host: string; port: number };
  }

  get address(): { host: string; port: number } | null {
    return addressOf(this.#main.server);
  }

  get adminAddress(): { host: string; port: number } | null {
    return this.#admin === null ? null : addressOf(this.#admin.server);
  }

  get inflightBytes(): number {
    return this.#admission.bytes;
  }

  get openConnections(): number {
    return this.#connections.open;
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#stopping.abort();
    const { promise: deadline, resolve: onDeadline } = Promise.withResolvers<void>();
    const timer = setTimeout(onDeadline, drainMs);
    const { promise: idle, resolve: onIdle } = Promise.withResolvers<void>();
    this.#triggers.drain(onIdle);
    await Promise.race([idle, deadline]);
    const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
    this.#main.server.close(() => onClosed());
    this.#plain.closeIdle();
    // Answers that were written and are not read yet get what is left of the time.
    await Promise.race([closed, deadline]);
    clearTimeout(timer);
    this.#main.server.closeAllConnections();
    this.#plain.destroy();
    await this.#main.close();
    if (this.#admin === null) return;
    this.#admin.server.close();
    this.#admin.server.closeAllConnections();
    await this.#admin.close();
  }
}

function addressOf(server: Server): { host: string; port: number } | null {
  const address = server.address() as AddressInfo | null;
  return address === null ? null : { host: address.address, port: address.port };
}

/** Sends the connections of a server to `accept`. Returns what they would have gone to: the server's own handling of one. */
function divertConnections(server: Server, accept: (socket: Socket) => void): (socket: Socket) => void {
  const own = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', accept);
  return (socket) => {
    for (const listener of own) listener.call(server, socket);
  };
}
