/** The HTTP server: one socket, two listeners behind it. Addresses of workflows go the short way, the rest to Fastify. */
import { createServer as createNodeServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config/config.ts';
import type { ActiveWorkflow, Engine } from '../engine/port.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { History } from '../store/port.ts';
import type { RouteTable } from '../workflow/routes.ts';
import { ownPaths } from '../workflow/trigger-path.ts';
import {
  createAdministration,
  type Readiness,
  type RequestListener,
  type WorkflowDirectory,
} from './administration.ts';
import { Admission } from './admission.ts';
import { connectionOf } from './connection.ts';
import { answerConnectionError } from './connection-error.ts';
import { isLoopbackHost } from './loopback.ts';
import { connectionsMax } from './open-files.ts';
import { type Problem, refusal } from './problem.ts';
import { TriggerHandler } from './trigger-handler.ts';
import { writeProblem } from './write-answer.ts';

/** A connection without a request on it is kept this long: longer than proxies keep theirs, so that it is they who close. */
const keepAliveTimeoutMs = 75_000;
const headersTimeoutMaxMs = 20_000;
/** How often slow requests are looked for; they are told this much late at most. */
const timeoutCheckMaxMs = 5_000;
const listenBacklog = 1024;

export interface ServerOptions {
  config: Config;
  engine: Engine;
  /** The table of this moment. */
  routes: () => RouteTable<ActiveWorkflow>;
  /** Null without a store. */
  history: History | null;
  workflows: WorkflowDirectory;
  metrics: Metrics;
  /** What else must be there to take traffic: the store, a runner. That the server is not stopping is added here. */
  health: { ready(): Readiness };
  log: Log;
  version: string;
  /** Bytes that engine, runners and store hold, counted against `max_inflight_bytes`. Default: none. */
  bytesElsewhere?: () => number;
}

export type ListenTarget = { fd: number } | { host: string; port: number };

export interface HttpServer {
  /** Rejects with the system's error (`code` EADDRINUSE, EACCES …). */
  listen(target: ListenTarget): Promise<{ host: string; port: number }>;
  /** Null until it listens. */
  readonly address: { host: string; port: number } | null;
  /** Bytes of bodies and answers that are held. */
  readonly inflightBytes: number;
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
  readonly #triggers: TriggerHandler;
  readonly #administration: ReturnType<typeof createAdministration>;
  readonly #server: Server;
  #closing: Promise<void> | null = null;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { config, log, metrics } = options;
    const { server: limits } = config;
    this.#admission = new Admission(limits.maxInflightBytes, options.bytesElsewhere ?? (() => 0));
    this.#triggers = new TriggerHandler({
      limits,
      engine: options.engine,
      routes: options.routes,
      admission: this.#admission,
      metrics,
      log,
    });
    const isPrivate = isLoopbackHost(limits.host);
    if (!isPrivate) {
      const message =
        'administration (/nflow/) and /metrics are not answered: the server listens on an address that others can reach';
      log.warn({ host: limits.host }, message);
    }
    this.#administration = createAdministration(
      {
        history: options.history,
        workflows: options.workflows,
        metrics,
        readiness: () => this.#readiness(),
        log,
        version: options.version,
        isPrivate,
      },
      (administration) => this.#createNodeServer(administration),
      (error, socket) => answerConnectionError(error, socket, limits, metrics),
    );
    this.#server = this.#administration.server;
  }

  #readiness(): Readiness {
    const { ready, reasons } = this.#options.health.ready();
    return this.#closing === null
      ? { ready, reasons }
      : { ready: false, reasons: ['the server is stopping', ...reasons] };
  }

  #createNodeServer(administration: RequestListener): Server {
    const { headerSizeMax, urlSizeMax, requestTimeoutMs } = this.#options.config.server;
    const listener = (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void => {
      const problem = this.#refusedHead(req);
      if (problem !== null) this.#refuse(req, res, problem);
      else if (isOwnAddress(req.url as string)) this.#administer(administration, req, res, expectsContinue);
      else this.#triggers.handle(req, res, expectsContinue);
    };
    const server = createNodeServer(
      {
        // Node counts the request line as a header; each has its own limit in `#refusedHead`.
        maxHeaderSize: headerSizeMax + urlSizeMax,
        requestTimeout: requestTimeoutMs,
        headersTimeout: Math.min(requestTimeoutMs, headersTimeoutMaxMs),
        keepAliveTimeout: keepAliveTimeoutMs,
        connectionsCheckingInterval: Math.min(timeoutCheckMaxMs, Math.ceil(requestTimeoutMs / 4)),
        // Answered in our own words by `#refusedHead`.
        requireHostHeader: false,
        noDelay: true,
      },
      (req, res) => listener(req, res, false),
    );
    // More header lines than this would be dropped in silence; their sum is limited already.
    server.maxHeadersCount = 0;
    server.on('checkContinue', (req, res) => listener(req, res, true));
    const limit = connectionsMax();
    if (limit !== null) server.maxConnections = limit;
    return server;
  }

  /** Puts an address in absolute form (as proxies send it) into the usual one. */
  #refusedHead(req: IncomingMessage): Problem | null {
    const { headerSizeMax, urlSizeMax } = this.#options.config.server;
    let url = req.url as string;
    if (url.length > urlSizeMax) {
      return refusal('uri_too_long', `The address has ${url.length} bytes; this server accepts ${urlSizeMax}.`);
    }
    if (url.charCodeAt(0) !== 0x2f) {
      url = url.replace(/^https?:\/\/[^/?#]*/i, '');
      if (url === '' || url.startsWith('?')) url = `/${url}`;
      if (!url.startsWith('/')) return refusal('invalid_input', 'The address must begin with a slash.');
      req.url = url;
    }
    const { rawHeaders } = req;
    let size = 0;
    for (let i = 0; i < rawHeaders.length; i++) size += (rawHeaders[i] as string).length;
    if (size > headerSizeMax) {
      return refusal('headers_too_large', `The headers have ${size} bytes; this server accepts ${headerSizeMax}.`);
    }
    if (req.headers.host === undefined && req.httpVersionMinor === 1) {
      return refusal('invalid_input', 'An HTTP/1.1 request must have a Host header.');
    }
    return null;
  }

  #refuse(req: IncomingMessage, res: ServerResponse, problem: Problem): void {
    this.#options.metrics.onHttpAnswer(problem.status);
    this.#options.metrics.onRejected(problem.code);
    writeProblem(req, res, problem, { close: true });
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

  async listen(target: ListenTarget): Promise<{ host: string; port: number }> {
    await this.#administration.ready();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ ...target, backlog: listenBacklog }, resolve);
    await promise;
    this.#server.off('error', reject);
    this.#server.on('error', (error) => this.#options.log.error({ error }, 'the listening socket failed'));
    return this.address as { host: string; port: number };
  }

  get address(): { host: string; port: number } | null {
    const address = this.#server.address() as AddressInfo | null;
    return address === null ? null : { host: address.address, port: address.port };
  }

  get inflightBytes(): number {
    return this.#admission.bytes;
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    const { promise: deadline, resolve: onDeadline } = Promise.withResolvers<void>();
    const timer = setTimeout(onDeadline, drainMs);
    const { promise: idle, resolve: onIdle } = Promise.withResolvers<void>();
    this.#triggers.drain(onIdle);
    await Promise.race([idle, deadline]);
    const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
    this.#server.close(() => onClosed());
    // Answers that were written and are not read yet get what is left of the time.
    await Promise.race([closed, deadline]);
    clearTimeout(timer);
    this.#server.closeAllConnections();
    await this.#administration.close();
  }
}

/** Settles most addresses of workflows by one character. */
const ownInitials = new Set([...ownPaths].map((path) => path.charCodeAt(0)));

/** True below the paths that the server keeps for itself. */
function isOwnAddress(url: string): boolean {
  return ownInitials.has(url.charCodeAt(1)) && ownPaths.has(/^\/([^/?]*)/.exec(url)?.[1] ?? '');
}
