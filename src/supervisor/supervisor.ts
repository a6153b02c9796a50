import { adminAccessOf } from '../config/admin-access.ts';
import type { Config } from '../config/config.ts';
import { NflowError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { compiledCodeFolder } from './compiled-code.ts';
import { type GatewayLife, inheritedAdminFd, inheritedListenFd, orderlyExit, startGateway } from './gateway-process.ts';
import { GatewayRecord } from './gateway-record.ts';
import { Keeper, type Life } from './keeper.ts';
import { bindListenSocket, type ListenSocket } from './listen-socket.ts';
import type { FromGateway, Refusal, WorkflowReport } from './messages.ts';

/** A PostgreSQL server of ours. */
export interface PostgresLife extends Life {
  readonly dsn: string;
}

export interface SupervisorOptions {
  config: Config;
  dataDir: string;
  workflowPaths: string[];
  /** `ServeOrder.dev`. Default: false. */
  dev?: boolean;
  gatewayScript: string;
  /** Starts the embedded server; null when `[database_nflow] dsn` names another. */
  startPostgres: (() => Promise<PostgresLife>) | null;
  log: Log;
}

export interface Serving {
  host: string;
  /** The one that was bound, also for port 0. */
  port: number;
  /** Where administration has an address of its own. */
  admin: { host: string; port: number } | null;
  report: WorkflowReport;
}

/** A gateway that dies this often before it was ever ready will not be ready at the next attempt either. */
const startAttemptsMax = 5;

/**
 * Keeps the gateway and the embedded PostgreSQL running. It does no work of its own and holds nothing that is lost with it, so
 * that there is little in it that could fail.
 *
 *   created ── start ──► starting ── first 'ready' ──► serving ── stop ──► stopped
 *                           └── refusal, or too many deaths ──► failed: `start` rejects, `stop` is still to be called
 *
 * In `serving` a child that dies is started again, for ever. Each gateway is told which incarnations ended before it.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #record: GatewayRecord;
  readonly #gateway: Keeper<GatewayLife>;
  readonly #postgres: Keeper<PostgresLife> | null;
  readonly #dsn = Promise.withResolvers<string>();
  readonly #firstReady = Promise.withResolvers<WorkflowReport>();
  #socket: ListenSocket | null = null;
  #adminSocket: ListenSocket | null = null;
  #wasReady = false;
  #isStopping = false;
  #deathsBeforeReady = 0;
  #refusal: Refusal | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    // A stop during the start leaves it unsettled or rejected with nobody waiting: that is no error of its own.
    this.#firstReady.promise.catch(() => {});
    this.#record = new GatewayRecord(options.dataDir);
    const { log, startPostgres } = options;
    this.#gateway = new Keeper({
      name: 'gateway',
      start: () => this.#startGateway(),
      onDeath: ({ reason }) => this.#onGatewayDeath(reason),
      log,
    });
    this.#postgres =
      startPostgres === null
        ? null
        : new Keeper({ name: 'PostgreSQL', start: startPostgres, onDeath: () => true, log });
  }

  /**
   * Binds `[server] host` and `port`, and `[admin] listen`; starts PostgreSQL and the gateway; resolves at the first 'ready'.
   * Throws what any of them refuses to start with; `conflict` for a taken port.
   */
  async start(): Promise<Serving> {
    const { host, port } = this.#options.config.server;
    // First: what an earlier server left behind may hold the port.
    await this.#record.adopt();
    this.#socket = await bindListenSocket(host, port);
    this.#record.listens(host, this.#socket.port);
    const { listen } = adminAccessOf(this.#options.config);
    if (listen !== null) this.#adminSocket = await bindListenSocket(listen.host, listen.port, '[admin] listen');
    this.#assertNotStopping();
    // The gateway loads its code while PostgreSQL starts; its order waits for the address.
    await Promise.all([this.#gateway.start(), this.#findDatabase()]);
    const report = await this.#firstReady.promise;
    const admin =
      listen === null || this.#adminSocket === null ? null : { host: listen.host, port: this.#adminSocket.port };
    return { host, port: this.#socket.port, admin, report };
  }

  /** Drains the gateway, then stops PostgreSQL. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#firstReady.reject(stoppedTooEarly());
    const gateway = this.#gateway.life;
    await this.#gateway.stop();
    await this.#postgres?.stop();
    this.#socket?.close();
    this.#adminSocket?.close();
    // A gateway that had to be killed left executions behind: the record stays, for the next start.
    const hasLeftNothing = gateway === null || (await gateway.exited) === orderlyExit;
    if (hasLeftNothing && this.#record.deadIncarnations.length === 0) this.#record.remove();
  }

  /** Ends everything at once. PostgreSQL recovers from its log at the next start, and so do executions. */
  kill(): void {
    this.#isStopping = true;
    this.#gateway.kill();
    this.#postgres?.kill();
  }

  #assertNotStopping(): void {
    if (this.#isStopping) throw stoppedTooEarly();
  }

  async #findDatabase(): Promise<void> {
    const { dsn } = this.#options.config.databaseNflow;
    const life = await this.#postgres?.start();
    const address = life?.dsn ?? dsn;
    if (address === null) throw new Error('there is neither a DSN nor an embedded server');
    // The embedded server comes back at the same address when it has to be started again.
    this.#dsn.resolve(address);
  }

  async #startGateway(): Promise<GatewayLife> {
    const { config, dataDir, workflowPaths, dev = false, gatewayScript } = this.#options;
    const listenFd = this.#socket?.fd ?? null;
    const adminFd = this.#adminSocket?.fd ?? null;
    const deadIncarnations = this.#record.deadIncarnations;
    const life = await startGateway({
      script: gatewayScript,
      compiledDir: compiledCodeFolder(dataDir),
      listenFd,
      adminFd,
      drainTimeoutMs: config.server.drainTimeoutMs,
      order: this.#dsn.promise.then((dsn) => ({
        type: 'serve',
        config,
        listenFd: listenFd === null ? null : inheritedListenFd,
        adminFd: adminFd === null ? null : inheritedAdminFd,
        dataDir,
        workflowPaths,
        dev,
        dsn,
        deadIncarnations,
      })),
      onMessage: (message) => this.#onGatewayMessage(message, deadIncarnations),
    });
    this.#record.started(life.pid);
    return life;
  }

  #onGatewayMessage(message: FromGateway, deadIncarnations: string[]): void {
    switch (message.type) {
      case 'incarnation':
        this.#record.became(message.id);
        break;
      case 'tookOver':
        this.#record.tookOver(deadIncarnations);
        break;
      case 'ready':
        this.#wasReady = true;
        this.#firstReady.resolve(message.report);
        break;
      case 'refused':
        this.#refusal = message.refusal;
    }
  }

  #onGatewayDeath(reason: string): boolean {
    this.#record.ended();
    const refusal = this.#refusal;
    this.#refusal = null;
    if (this.#wasReady) {
      if (refusal !== null) this.#options.log.error({ error: errorOf(refusal) }, 'the gateway cannot serve');
      return true;
    }
    if (refusal !== null) {
      this.#firstReady.reject(errorOf(refusal));
      return false;
    }
    this.#deathsBeforeReady++;
    if (this.#deathsBeforeReady < startAttemptsMax) return true;
    this.#firstReady.reject(
      new NflowError(
        'internal_error',
        `The gateway ended ${startAttemptsMax} times before it could serve, the last time with ${reason}.`,
        {
          remedy: 'Look at what it wrote above; `--config` with [log] level = "debug" says more.',
        },
      ),
    );
    return false;
  }
}

function stoppedTooEarly(): NflowError {
  return new NflowError('draining', 'The server was stopped while it started.');
}

function errorOf(refusal: Refusal): NflowError {
  const { code, message, ...details } = refusal;
  return new NflowError(code, message, details);
}
