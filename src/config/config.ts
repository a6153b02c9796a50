/**
 * The effective configuration, as the rest of the program sees it: typed, in the units that the names say.
 * It is built by `config/load.ts` from the one table in `config/keys.ts`.
 */
export interface Config extends NamedSections {
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
    /** `http://[user:password@]host:port`; null: connections are direct. */
    proxy: string | null;
  };
  /** What secrets are encrypted with. */
  secrets: {
    /** Null: a key of the server's own, in `secrets.key` of the data folder. */
    key: string | null;
    previousKey: string | null;
  };
  files: {
    /** Null: `files` in the data folder. */
    root: string | null;
    /** Patterns of the workflows that may use the shared folder. */
    sharedWorkflows: string[];
    /** Bytes and files of one workflow. */
    workflowBytesMax: number;
    workflowFilesMax: number;
    /** Of the shared folder. */
    sharedBytesMax: number;
    sharedFilesMax: number;
  };
  /** What servers and workflows keep for a while. */
  cache: {
    /** Of what says nothing of its own. */
    defaultTtlMs: number;
    cleanupIntervalMs: number;
    /** Of this server's memory. */
    bytesMax: number;
  };
  /** The mail server that workflows send by. */
  mail: {
    /** Null: no mail is sent. */
    smtp: string | null;
    port: number;
    /** Null: the address of `from`. */
    user: string | null;
    /** Null: no login. */
    password: string | null;
    /** Who mail is from that says nothing itself. */
    from: string | null;
    tls: 'starttls' | 'implicit' | 'optional' | 'none';
    /** Path of a PEM file; null: the authorities that Node knows. */
    ca: string | null;
    maxConnections: number;
    recipientsMax: number;
    /** Of texts and attachments of one mail. */
    bytesMax: number;
  };
  /** The server's own; workflows do not reach it. */
  redis: {
    /** `config/redis-addresses.ts` reads it. Null: there is none. */
    host: string | null;
    password: string | null;
    database: number;
    connectionsMax: number;
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

/** Sections with a name of the operator's, by that name; their table is in `config/named-sections.ts`. */
export interface NamedSections {
  tls: Record<string, TlsConfig>;
  datasources: Record<string, DatasourceConfig>;
}

/** A database of the operator's that workflows query. */
export interface DatasourceConfig {
  dsn: string;
  /** Patterns of the workflows that may use it. */
  workflows: string[];
  readOnly: boolean;
  poolMaxConns: number;
  acquireTimeoutMs: number;
  statementTimeoutMs: number;
  rowsMax: number;
  /** Of the results of one call, as JSON text. */
  bytesMax: number;
  /** How long the results of writing calls are kept there. */
  effectsRetentionMs: number;
}

/** How calls with `tls: "NAME"` speak TLS. */
export interface TlsConfig {
  /** PEM texts, or paths of PEM files; null: Node's own. */
  ca: string | null;
  cert: string | null;
  key: string | null;
  /** Null: the host of the address. */
  serverName: string | null;
  minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Where it may be used (`bound-hosts.ts`). */
  hosts: string[];
  /** Patterns of the workflows that may use it. */
  workflows: string[];
}
