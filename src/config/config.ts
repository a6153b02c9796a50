/**
 * The effective configuration, as the rest of the program sees it: typed, in the units that the names say.
 * It is built by `config/load.ts` from the one table in `config/keys.ts`.
 */
export interface Config {
  server: {
    host: string;
    port: number;
    /** Bytes over bodies, frames, journals and unwritten rows above which requests are refused. */
    maxInflightBytes: number;
    drainTimeoutMs: number;
    bodySizeMax: number;
    headerSizeMax: number;
    urlSizeMax: number;
    jsonDepthMax: number;
    /** Time for a whole request to arrive. */
    requestTimeoutMs: number;
    /** How long a connection without a request on it is kept. */
    keepAliveTimeoutMs: number;
    /** Addresses and ranges of the proxies in front of the server. */
    trustProxy: string[];
  };
  /** `listen` is `host:port`, or null: administration is on the main port. */
  admin: { listen: string | null; samePort: boolean };
  /** For triggers that say nothing of their own. */
  cors: {
    origins: string[];
    methods: string[];
    headers: string[];
    exposedHeaders: string[];
    credentials: boolean;
    maxAgeMs: number;
  };
  vmPool: {
    maxSize: number;
    preloadSize: number;
    idleTimeoutMs: number;
    cleanupIntervalMs: number;
    enableMetrics: boolean;
    acquireTimeoutMs: number;
    maxMemoryMiB: number;
    maxExecutionMs: number;
    recycleAfterRuns: number;
  };
  runners: {
    fast: number;
    slow: number;
    /** Layers of isolation (`config/isolation-layers.ts`) without which the server refuses to start. */
    require: string[];
    /** Layers that are left out although the machine can give them. */
    omit: string[];
  };
  /** Pauses workflows whose runs crash. */
  circuitBreaker: { crashesMax: number; pauseMs: number };
  databaseNflow: {
    /** `sqlite3` stands in files of the original; the embedded server is used then. */
    driver: 'postgres' | 'sqlite3';
    /** Null: the embedded server in the data folder. */
    dsn: string | null;
    /** Accepts a server with `fsync = off`. */
    unsafe: boolean;
  };
  httpClient: {
    maxIdleConns: number;
    maxIdleConnsPerHost: number;
    idleConnTimeoutMs: number;
    timeoutMs: number;
    maxConnsPerHost: number;
    /** Time for a new connection, TLS included. */
    connectTimeoutMs: number;
    /** Bytes of a response body. */
    responseSizeMax: number;
  };
  /** `host`, `host:port` or CIDR that the egress guard lets through although they are private or loopback. */
  egress: { allow: string[] };
  history: {
    /** Rows of `recorded` executions kept while PostgreSQL is away. */
    buffer: number;
    /** Of executions whose workflow names no class. */
    retentionMs: number;
    /** Retention of further classes by their names, ms. */
    classes: Record<string, number>;
    /** Bytes on disk; 0: no limit. */
    bytesMax: number;
  };
  /** Where health and metrics are answered; not at all when it is off. */
  monitor: { enabled: boolean; healthCheckPath: string; metricsPath: string };
  /** `vars.NAME` in expressions. */
  vars: Record<string, string | number | boolean>;
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
}
