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
  runners: { fast: number };
  databaseNflow: {
    driver: 'postgres';
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
    /** Bytes of a response body. */
    responseSizeMax: number;
  };
  /** `host`, `host:port` or CIDR that the egress guard lets through although they are private or loopback. */
  egress: { allow: string[] };
  /** Rows of `recorded` executions kept while PostgreSQL is away. */
  history: { buffer: number };
  /** `vars.NAME` in expressions. */
  vars: Record<string, string | number | boolean>;
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
}
