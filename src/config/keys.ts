/**
 * Every configuration key, once. Reading TOML, the environment and flags, checking, defaults, `nflow config show` and the
 * reference in docs/reference/config.md are derived from this table; its type ties it to `Config`, so that neither can have a
 * field that the other has not.
 */
import { availableParallelism, totalmem } from 'node:os';
import type { Config, NamedSections } from './config.ts';
import {
  corsDefaults,
  corsHeaderExpected,
  corsMaxAgeMsMax,
  corsOriginExpected,
  isCorsHeader,
  isCorsOrigin,
} from './cors.ts';
import { holdsPassword } from './dsn.ts';
import { egressEntryForms, egressEntryProblem } from './egress-allow.ts';
import { grantExpected, isGrantPattern } from './grants.ts';
import { historyClassesMax, isHistoryClass } from './history-class.ts';
import { parseAddressBlock } from './ip-address.ts';
import { isIsolationLayer, isolationLayers } from './isolation-layers.ts';
import {
  booleanKey,
  type ConfigKey,
  choiceKey,
  durationKey,
  durationTableKey,
  integerKey,
  listKey,
  numberOrText,
  optionalTextKey,
  textKey,
} from './key-kinds.ts';
import { listenAddressExpected, parseListenAddress } from './listen-address.ts';
import { isProxyAddress } from './proxy-address.ts';
import { parseRedisAddresses, redisAddressesExpected } from './redis-addresses.ts';
import { parseSecretKey, secretKeyExpected } from './secret-key.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const milliseconds = { name: 'milliseconds', ms: 1 } as const;
const seconds = { name: 'seconds', ms: second } as const;
const minutes = { name: 'minutes', ms: minute } as const;

/** Plain segments, outside of what the server keeps for itself. */
const monitorPathPattern = /^(?!\/(?:nflow|_nflow|ready)(?:\/|$))(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]{1,64}){1,8}$/;
const monitorPathExpected =
  'a path such as /health or /internal/metrics: segments of letters, digits and . _ ~ -, not under /nflow, /_nflow or /ready';

const layerNames = `one of ${isolationLayers.map((layer) => `"${layer}"`).join(', ')}`;

/** `vars` is free: its keys are the user's. */
type KeyedSections = Omit<Config, 'vars' | keyof NamedSections>;

export interface ConfigSection<S> {
  /** As written in TOML. */
  readonly name: string;
  readonly doc: string;
  readonly keys: { readonly [K in keyof S]: ConfigKey<S[K]> };
}

export const configSections: { readonly [S in keyof KeyedSections]: ConfigSection<KeyedSections[S]> } = {
  server: {
    name: 'server',
    doc: 'The HTTP server and its limits.',
    keys: {
      host: textKey({
        name: 'host',
        fallback: '127.0.0.1',
        pattern: /^[A-Za-z0-9.:_-]{1,255}$/,
        expected: 'a host name or an IP address to listen on',
        doc: 'Address to listen on. Administration and `/metrics` are on the same one while it is a loopback address; another needs `[admin] listen` or `[admin] same_port`.',
        tuning:
          'Leave it on loopback behind a proxy of the same machine; name an address of the network, or `0.0.0.0`, when others call directly.',
      }),
      port: integerKey({
        name: 'port',
        fallback: 8080,
        min: 0,
        max: 65_535,
        doc: 'Port to listen on; 0 takes a free one, which the start prints.',
        tuning: 'Below 1024 most systems want more rights than nFlow should run with: put a proxy before it.',
      }),
      maxInflightBytes: integerKey({
        name: 'max_inflight_bytes',
        unit: 'bytes',
        fallback: () => Math.max(64 * mebibyte, Math.floor(totalmem() / 8)),
        fallbackText: 'an eighth of the memory of the machine, at least 67108864 (64 MiB)',
        min: mebibyte,
        max: 2 ** 44,
        doc: 'Bytes over bodies, frames, journals and unwritten rows above which requests are refused with 503 `queue_full`.',
        tuning:
          'It is what keeps memory bounded under overload. Raise it when `nflow_rejected_total{code="queue_full"}` grows while the machine has memory to spare; lower it where other programs share the machine.',
      }),
      drainTimeoutMs: durationKey({
        name: 'drain_timeout',
        fallback: 30 * second,
        minMs: 0,
        maxMs: hour,
        doc: 'How long a stopping server waits for the executions in flight; then it ends, and the durable ones go on at the next start.',
        tuning:
          'Longer lets slow workflows answer their clients before a deploy; keep it under what your init system or orchestrator waits before it kills.',
      }),
      bodySizeMax: integerKey({
        name: 'max_body_bytes',
        unit: 'bytes',
        fallback: mebibyte,
        min: kibibyte,
        max: 32 * mebibyte,
        doc: 'Largest request body; more is answered 413 `body_too_large`.',
        tuning:
          'A body lives in the gateway, in the VM and in the history. Raise it for workflows that take documents, and `vm_pool.max_memory_mb` with it.',
      }),
      headerSizeMax: integerKey({
        name: 'max_header_bytes',
        unit: 'bytes',
        fallback: 16 * kibibyte,
        min: kibibyte,
        max: mebibyte,
        doc: 'Largest sum of request header names and values; more is answered 431 `headers_too_large`.',
        tuning:
          'Raise it when a single sign-on in front sends large cookies or tokens. Every open connection may hold this much.',
      }),
      urlSizeMax: integerKey({
        name: 'max_url_bytes',
        unit: 'bytes',
        fallback: 8 * kibibyte,
        min: 256,
        max: mebibyte,
        doc: 'Longest path with its query; more is answered 414 `uri_too_long`.',
        tuning: 'Raise it for clients that put lists of ids into the query; a body is the better place.',
      }),
      jsonDepthMax: integerKey({
        name: 'max_json_depth',
        unit: 'levels',
        fallback: 64,
        min: 1,
        max: 512,
        doc: 'Deepest nesting of a JSON body or result; a deeper body is answered 400 `bad_body`.',
        tuning: 'Deep nesting is how a small body costs much. Raise it for documents that are trees by nature.',
      }),
      requestTimeoutMs: durationKey({
        name: 'request_timeout',
        fallback: minute,
        minMs: second,
        maxMs: hour,
        doc: 'Time for a whole request to arrive; a slower one is answered 408 `request_timeout`.',
        tuning:
          'Shorter frees connections of slow or hostile clients sooner; raise it for large bodies over slow lines.',
      }),
      keepAliveTimeoutMs: durationKey({
        name: 'keep_alive_timeout',
        fallback: 75 * second,
        minMs: second,
        maxMs: hour,
        doc: 'How long a connection without a request on it is kept.',
        tuning:
          'Keep it longer than the proxy in front keeps its own, so that it is the proxy that closes: a request on a connection that closes in that moment is lost. Shorter gives descriptors of silent clients back sooner.',
      }),
      trustProxy: listKey({
        name: 'trust_proxy',
        fallback: [],
        lengthMax: 100,
        isItem: (item) => parseAddressBlock(item) !== null,
        itemExpected: 'an IP address or a CIDR range such as "10.0.0.0/8"',
        doc: 'The proxies in front of this server: their `X-Forwarded-For` and `X-Forwarded-Host` are believed. With one of them, reading administration needs the admin token on a loopback address too, since the proxy brings others in.',
        tuning: 'Name the proxy alone. Whoever is in the list can say that a request comes from anybody.',
      }),
    },
  },
  admin: {
    name: 'admin',
    doc: 'Where administration (`/nflow/`, `/metrics`) is answered. Writing needs the admin token of the data folder; reading needs none while only this machine can come in.',
    keys: {
      listen: optionalTextKey({
        name: 'listen',
        fallback: null,
        matches: (text) => parseListenAddress(text) !== null,
        expected: listenAddressExpected,
        doc: 'An address of its own for administration, which then is not on the main port. Empty: the main port, while that is a loopback address.',
        tuning:
          'The way to serve others and keep administration to yourself: a loopback address, or one of a network that only operators reach.',
      }),
      samePort: booleanKey({
        name: 'same_port',
        fallback: false,
        doc: 'Answers administration on the main port whatever its address is; reading needs the admin token then.',
        tuning:
          'Simpler than `listen`, and the admin token is then all that stands before administration: put TLS in front.',
      }),
    },
  },
  monitor: {
    name: 'monitor',
    doc: 'The pages that watch the server. `/ready`, which tells a load balancer whether to send requests, is always there.',
    keys: {
      enabled: booleanKey({
        name: 'enabled',
        fallback: true,
        doc: 'Answers the health check and the metrics; false answers 404 at both.',
        tuning: 'Without them an outage is found out by its victims: rather move them, or put a proxy before them.',
      }),
      healthCheckPath: textKey({
        name: 'health_check_path',
        fallback: '/health',
        pattern: monitorPathPattern,
        expected: monitorPathExpected,
        doc: 'Path of the health check: 200 while the process lives. No workflow can have this path.',
      }),
      metricsPath: textKey({
        name: 'metrics_path',
        fallback: '/metrics',
        pattern: monitorPathPattern,
        expected: monitorPathExpected,
        doc: 'Path of the metrics, in the text format of Prometheus, wherever administration is answered. No workflow can have this path.',
      }),
    },
  },
  cors: {
    name: 'cors',
    doc: 'Which pages of other origins may call the workflows from a browser. A trigger with `cors` of its own does not use this.',
    keys: {
      origins: listKey({
        name: 'origins',
        fallback: [],
        lengthMax: 1000,
        isItem: isCorsOrigin,
        itemExpected: corsOriginExpected,
        doc: 'Empty: no page of another origin can read an answer.',
        tuning: 'Name each page that calls the workflows. "*" is for data that anybody may have.',
      }),
      methods: listKey({
        name: 'methods',
        fallback: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
        lengthMax: 7,
        isItem: (item) => /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(item),
        itemExpected: 'a method in capitals',
        doc: 'Methods that such pages may use, where a workflow answers them.',
      }),
      headers: listKey({
        name: 'headers',
        fallback: [...corsDefaults.headers],
        lengthMax: 100,
        isItem: isCorsHeader,
        itemExpected: corsHeaderExpected,
        doc: 'Request headers that such pages may set.',
      }),
      exposedHeaders: listKey({
        name: 'exposed_headers',
        fallback: [],
        lengthMax: 100,
        isItem: isCorsHeader,
        itemExpected: corsHeaderExpected,
        doc: 'Answer headers that such pages may read, beside the usual ones and those of nFlow.',
      }),
      credentials: booleanKey({
        name: 'credentials',
        fallback: false,
        doc: 'Lets such pages send cookies; not together with the origin "*".',
        tuning: 'Only for pages that you trust as much as your own: they act in the name of whoever is signed in.',
      }),
      maxAgeMs: durationKey({
        name: 'max_age',
        fallback: corsDefaults.maxAgeMs,
        minMs: 0,
        maxMs: corsMaxAgeMsMax,
        doc: 'How long a browser may remember the answer to a preflight.',
        tuning: 'Longer spares pages a request; shorter makes a change of this section known sooner.',
      }),
    },
  },
  vmPool: {
    name: 'vm_pool',
    doc: 'The VMs that run the code of workflows, over all runners of this server.',
    keys: {
      maxSize: integerKey({
        name: 'max_size',
        unit: 'VMs',
        fallback: 200,
        min: 1,
        max: 100_000,
        doc: 'Most VMs at one time, split over the runners.',
        tuning:
          'A VM takes about 2.2 MB when it is new and up to `max_memory_mb` when its code does. Raise it when `nflow_vm_pool_exhausted_total` grows, or when there are many more workflows in use than VMs and each first request pays for binding one.',
      }),
      preloadSize: integerKey({
        name: 'preload_size',
        unit: 'VMs',
        fallback: 16,
        min: 0,
        max: 100_000,
        doc: 'Warm VMs, not yet bound to a workflow, made at start; at most `max_size`.',
        tuning:
          'Each saves the first request of a workflow some 10 ms and costs the start about as much. Raise it towards the number of workflows that are called right after a deploy.',
      }),
      idleTimeoutMs: durationKey({
        name: 'idle_timeout',
        bareUnit: minutes,
        fallback: 15 * minute,
        minMs: second,
        maxMs: 30 * day,
        doc: 'A VM that was not used for this long is thrown away at the next cleanup.',
        tuning: 'Shorter gives memory back sooner; longer spares workflows with rare calls the making of a new VM.',
      }),
      cleanupIntervalMs: durationKey({
        name: 'cleanup_interval',
        bareUnit: minutes,
        fallback: 10 * minute,
        minMs: second,
        maxMs: 30 * day,
        doc: 'Time between two cleanups of the pool.',
        tuning:
          'A cleanup costs next to nothing. Make it shorter when memory should be given back closer to `idle_timeout`.',
      }),
      enableMetrics: booleanKey({
        name: 'enable_metrics',
        fallback: true,
        doc: 'Shows the `nflow_vm_pool_*` metrics.',
        tuning: 'They cost nothing that can be measured.',
      }),
      acquireTimeoutMs: durationKey({
        name: 'acquire_timeout_ms',
        bareUnit: milliseconds,
        fallback: second,
        minMs: 0,
        maxMs: 10 * minute,
        doc: 'How long a segment waits for a VM when every one is executing; then 503 `pool_exhausted`.',
        tuning:
          'Longer rides out bursts at the price of slower answers; shorter refuses early, so that a client or proxy can go elsewhere.',
      }),
      maxMemoryMiB: integerKey({
        name: 'max_memory_mb',
        unit: 'MiB',
        fallback: 128,
        min: 16,
        max: 4096,
        doc: 'Heap with external memory of one VM; the run that crosses it ends `crashed`.',
        tuning:
          'Raise it for workflows that hold large documents. The worst case is this times `max_size`: lower `max_size` when you raise it much.',
      }),
      maxExecutionMs: durationKey({
        name: 'max_execution_seconds',
        bareUnit: seconds,
        fallback: 30 * second,
        minMs: 10,
        maxMs: hour,
        doc: 'CPU time of one segment, the stretch of code between two effects; the run that crosses it ends `timed_out`.',
        tuning:
          'Waiting does not count. Lower it where no workflow computes for long, so that an endless loop is ended sooner; raise it for reports and other heavy code.',
      }),
      recycleAfterRuns: integerKey({
        name: 'recycle_after_runs',
        unit: 'runs',
        fallback: 100_000,
        min: 1,
        max: 1_000_000_000,
        doc: 'Runs after which a VM is replaced by a new one.',
        tuning:
          'Bounds what code can leave behind in a long-lived VM. Lower it when memory of the runners creeps up; each replacement costs some 10 ms.',
      }),
    },
  },
  runners: {
    name: 'runners',
    doc: 'The child processes in which the VMs live.',
    keys: {
      fast: integerKey({
        name: 'fast',
        unit: 'processes',
        fallback: () => Math.max(1, availableParallelism() - 1),
        fallbackText: 'the cores of the machine less one, at least 1',
        min: 1,
        max: 256,
        doc: 'Runners for light segments.',
        tuning:
          'A runner uses one core at most. Raise it on a machine whose cores are idle while `nflow_vm_pool_waiting` is above 0; lower it where PostgreSQL shares the machine.',
      }),
      slow: integerKey({
        name: 'slow',
        unit: 'processes',
        fallback: 2,
        min: 1,
        max: 256,
        doc: 'Runners for heavy segments, at a lower priority of the operating system. A workflow is heavy when its segments take more than 5 ms of CPU.',
        tuning:
          'So many heavy segments are executed at the same time. Each takes the memory of a process, about 60 MB with its first VMs; raise it on a machine with many cores.',
      }),
      require: listKey({
        name: 'require',
        fallback: [],
        lengthMax: isolationLayers.length,
        isItem: isIsolationLayer,
        itemExpected: layerNames,
        doc: 'Layers of isolation without which the server refuses to start. `nflow doctor` tells which this machine can give.',
        tuning:
          'Empty, each layer that the machine can give is on and what is missing is said at start. Name those that you rely on, so that an update of the system cannot take them away unnoticed.',
      }),
      omit: listKey({
        name: 'omit',
        fallback: [],
        lengthMax: isolationLayers.length,
        isItem: isIsolationLayer,
        itemExpected: layerNames,
        doc: 'Layers of isolation that are left out although the machine can give them.',
        tuning: 'For a machine on which one of them gets in the way; the start says each time what is left out.',
      }),
    },
  },
  circuitBreaker: {
    name: 'circuit_breaker',
    doc: 'Pauses workflows that crash: that use up the memory of their VM, or end the process that it is in.',
    keys: {
      crashesMax: integerKey({
        name: 'crashes',
        unit: 'crashes',
        fallback: 5,
        min: 0,
        max: 1_000_000,
        doc: 'Runs of one workflow that crash in a row, after which it is answered 503 `circuit_open`; 0 pauses none.',
        tuning:
          'Each crash costs a VM or a runner, and the runs beside it a moment. Fewer protects them sooner; more forgives a workflow that crashes on some inputs only.',
      }),
      pauseMs: durationKey({
        name: 'pause',
        fallback: 30 * second,
        minMs: second,
        maxMs: hour,
        doc: 'How long such a workflow is paused. Then one run is let through: if it does not crash either, the workflow is served again.',
        tuning: 'Longer spares the others; shorter finds out sooner that a new version, or other input, has cured it.',
      }),
    },
  },
  databaseNflow: {
    name: 'database_nflow',
    doc: 'PostgreSQL, which keeps workflows and executions.',
    keys: {
      driver: choiceKey({
        name: 'driver',
        fallback: 'postgres',
        choices: ['postgres', 'sqlite3'],
        doc: 'PostgreSQL 14 to 18 is the only database. "sqlite3", with which files of the original begin, is taken with a warning: the embedded server is used and `dsn` is not read.',
      }),
      dsn: optionalTextKey({
        name: 'dsn',
        fallback: null,
        // What is in it is checked when it is known whether it is read at all.
        matches: () => true,
        holdsSecret: holdsPassword,
        expected:
          'a URL such as postgres://user:password@host/nflow or a key=value list such as "host=db user=nflow dbname=nflow"',
        secret: true,
        doc: 'Where PostgreSQL is, in the meaning of libpq; `pool_max_conns` (4 to 1000) and `sslmode` inside it are honoured. Empty: an embedded server in the data folder.',
        tuning:
          'Name a PostgreSQL of your own when the data must outlive this machine, or when several servers share it. Raise `pool_max_conns` when `nflow_db_pool_waiting` stays above 0; more than twice the cores of the database rarely helps.',
      }),
      unsafe: booleanKey({
        name: 'unsafe',
        fallback: false,
        doc: 'Accepts a PostgreSQL with `fsync = off`: a crash of its machine may then lose what was acknowledged.',
        tuning: 'For tests and throw-away environments only.',
      }),
    },
  },
  history: {
    name: 'history',
    doc: 'What is kept of executions.',
    keys: {
      buffer: integerKey({
        name: 'buffer',
        unit: 'rows',
        fallback: 10_000,
        min: 0,
        max: 10_000_000,
        doc: 'Rows of `recorded` executions kept in memory while PostgreSQL is away; more are dropped and counted in `nflow_history_dropped_total`.',
        tuning:
          'Raise it to ride out longer outages, at the price of memory: a row is as large as its input and output. It counts against `server.max_inflight_bytes`.',
      }),
      retentionMs: durationKey({
        name: 'retention',
        fallback: 14 * day,
        minMs: hour,
        maxMs: 3650 * day,
        doc: 'How long executions are kept, of workflows that name no class. They go by the day, so up to one more.',
        tuning: 'Disk grows with it: executions a day, times 0.15 KB and their payloads, times these days.',
      }),
      classes: durationTableKey({
        name: 'classes',
        fallback: {},
        minMs: hour,
        maxMs: 3650 * day,
        countMax: historyClassesMax,
        isName: isHistoryClass,
        nameExpected: 'a name of lower-case letters, digits and - (not `default`) and a duration',
        doc: 'Other retentions, by name: a workflow chooses one with `"history": { "class": "NAME" }`. Each has its own partitions.',
        tuning:
          'For what must be kept for years, or is not worth days. A class that is taken out of the file keeps its place until its executions are gone.',
      }),
      bytesMax: integerKey({
        name: 'max_bytes',
        unit: 'bytes',
        fallback: 0,
        min: 0,
        max: 2 ** 50,
        doc: 'Disk space of executions and journals, with their indexes, above which the oldest go before their time; 0 is no limit. What is not over, and what is held, stays.',
        tuning:
          'Set it where the disk is smaller than a busy fortnight. It is looked at every few minutes and frees a partition at a time: leave room for an hour or a day above it.',
      }),
    },
  },
  httpClient: {
    name: 'http_client',
    doc: 'Requests that workflows make.',
    keys: {
      maxIdleConns: integerKey({
        name: 'max_idle_conns',
        unit: 'connections',
        fallback: 100,
        min: 0,
        max: 100_000,
        doc: 'Idle connections kept open over all hosts; 0 keeps none.',
        tuning:
          'A kept connection spares a call the round trips of TCP and TLS. Raise it when workflows call many hosts often; each costs a descriptor here and there.',
      }),
      maxIdleConnsPerHost: integerKey({
        name: 'max_idle_conns_per_host',
        unit: 'connections',
        fallback: 10,
        min: 0,
        max: 100_000,
        doc: 'Idle connections kept open to one host; 0 keeps none.',
        tuning:
          'Raise it towards the number of calls under way to your busiest host, or connections are opened and closed all the time.',
      }),
      idleConnTimeoutMs: durationKey({
        name: 'idle_conn_timeout',
        fallback: 90 * second,
        minMs: second,
        maxMs: hour,
        doc: 'An idle connection is closed after this time, or sooner when the server announces a shorter one.',
        tuning:
          'Keep it below the idle timeout of proxies and firewalls on the way, which drop connections without a word.',
      }),
      timeoutMs: durationKey({
        name: 'timeout',
        fallback: 30 * second,
        minMs: 1,
        maxMs: hour,
        doc: 'Time for a whole call: looking the name up, connecting, sending, waiting and reading, redirects included; a call may set its own.',
        tuning:
          'Shorter keeps a slow service from holding executions; keep it under the timeout of the workflows, so that they can still answer.',
      }),
      connectTimeoutMs: durationKey({
        name: 'connect_timeout',
        fallback: 10 * second,
        minMs: 1,
        maxMs: hour,
        doc: 'Time for a new connection, TLS included, within the time of the call.',
        tuning:
          'A call that fails here has certainly sent nothing. Shorter gives up on hosts that are down sooner; raise it for hosts far away, or for those that are slow to accept under load.',
      }),
      maxConnsPerHost: integerKey({
        name: 'max_conns_per_host',
        unit: 'connections',
        fallback: 0,
        min: 0,
        max: 100_000,
        doc: 'Connections to one host at one time, active ones included; 0 is no limit. Calls beyond it wait within their own timeout.',
        tuning: 'Set it to protect a service that cannot take the load that workflows can make.',
      }),
      responseSizeMax: integerKey({
        name: 'max_response_bytes',
        unit: 'bytes',
        fallback: 10 * mebibyte,
        min: kibibyte,
        max: 64 * mebibyte,
        doc: 'Largest response body, after decompression; more fails the call.',
        tuning:
          'An answer lives in the gateway, in the VM and in the journal. Raise it for workflows that fetch documents, and `vm_pool.max_memory_mb` with it.',
      }),
      proxy: optionalTextKey({
        name: 'proxy',
        fallback: null,
        matches: isProxyAddress,
        expected: 'an address such as http://proxy.internal:3128 or http://user:password@proxy.internal:3128',
        secret: true,
        holdsSecret: (value) => value?.includes('@') === true,
        doc: 'Sends every request through this proxy, http too, with CONNECT to the address that `[egress]` was checked for. Left out: connections are direct.',
        tuning:
          'Names are looked up by this server, not by the proxy. The proxy has to allow CONNECT to the ports that workflows call.',
      }),
    },
  },
  files: {
    name: 'files',
    doc: 'Files of workflows: each has a folder of its own under the root, and those that are named here share one. Nothing leads out of it.',
    keys: {
      root: optionalTextKey({
        name: 'root',
        fallback: null,
        matches: (text) => text.length <= 4096 && !text.includes('\0'),
        expected: 'the path of a folder',
        doc: 'Where the files are. Left out: `files` in the data folder. Servers that share a database share this folder as well (NFS and the like).',
      }),
      sharedWorkflows: listKey({
        name: 'shared_workflows',
        fallback: [],
        lengthMax: 1000,
        isItem: isGrantPattern,
        itemExpected: grantExpected,
        doc: 'Workflows that may use the shared folder (`area: "shared"`). None by default.',
      }),
      workflowBytesMax: integerKey({
        name: 'workflow_max_bytes',
        unit: 'bytes',
        fallback: 10 * 1024 * mebibyte,
        min: mebibyte,
        max: 1024 * 1024 * 1024 * mebibyte,
        doc: 'Bytes in the folder of one workflow, files being written included; more fails the call with `quota_exceeded`.',
        tuning:
          'Lower it where strangers upload. Free space of the disk is not reserved: a full one fails calls with `disk_full`.',
      }),
      workflowFilesMax: integerKey({
        name: 'workflow_max_files',
        unit: 'files',
        fallback: 10_000,
        min: 1,
        max: 1_000_000,
        doc: 'Files in the folder of one workflow.',
        tuning: 'Files are counted when a server first uses the folder and every ten minutes: a million takes seconds.',
      }),
      sharedBytesMax: integerKey({
        name: 'shared_max_bytes',
        unit: 'bytes',
        fallback: 10 * 1024 * mebibyte,
        min: mebibyte,
        max: 1024 * 1024 * 1024 * mebibyte,
        doc: 'Bytes in the shared folder.',
        tuning: 'As `workflow_max_bytes`.',
      }),
      sharedFilesMax: integerKey({
        name: 'shared_max_files',
        unit: 'files',
        fallback: 10_000,
        min: 1,
        max: 1_000_000,
        doc: 'Files in the shared folder.',
        tuning: 'As `workflow_max_files`.',
      }),
    },
  },
  cache: {
    name: 'cache',
    doc: 'Results of effects with `cache`, and what `ctx.cache` keeps.',
    keys: {
      defaultTtlMs: durationKey({
        name: 'default_ttl',
        fallback: 5 * minute,
        minMs: 1,
        maxMs: 30 * day,
        doc: 'How long what says no `ttl` of its own is kept at most.',
        tuning: 'Longer spares more calls; shorter shows changes elsewhere sooner. Rather say `ttl` where it matters.',
      }),
      cleanupIntervalMs: durationKey({
        name: 'cleanup_interval',
        fallback: 10 * minute,
        minMs: second,
        maxMs: day,
        doc: 'How often the memory of what has expired is given back.',
        tuning:
          'An expired value is never given out. Shorter gives memory back sooner; a cleanup walks through all entries.',
      }),
      bytesMax: integerKey({
        name: 'max_bytes',
        unit: 'bytes',
        fallback: 64 * mebibyte,
        min: mebibyte,
        max: 64 * 1024 * mebibyte,
        doc: "Most that the cache takes of this server's memory; what was not asked for longest goes first. One value may take 4 MiB of it.",
        tuning:
          'Raise it when `nflow_cache_evicted_total` grows beside many misses and the machine has memory to spare.',
      }),
    },
  },
  secrets: {
    name: 'secrets',
    doc: 'What secrets of workflows are encrypted with in the database. See [secrets](../how-to/secrets.md).',
    keys: {
      key: optionalTextKey({
        name: 'key',
        fallback: null,
        matches: (text) => parseSecretKey(text) !== null,
        expected: secretKeyExpected,
        secret: true,
        doc: 'The key. Left out: the server makes one, in `secrets.key` of the data folder. Servers that share a database need one key, so it must be given then.',
        tuning: 'Keep a copy apart from backups of the database: without the key the secrets in it cannot be read.',
      }),
      previousKey: optionalTextKey({
        name: 'previous_key',
        fallback: null,
        matches: (text) => parseSecretKey(text) !== null,
        expected: secretKeyExpected,
        secret: true,
        doc: 'The key before `key` was changed: it still opens what was encrypted with it. After `nflow secret rotate-key` it can go.',
        tuning: 'Only for the time of a change.',
      }),
    },
  },
  mail: {
    name: 'mail',
    doc: 'The mail server that workflows send by. See [send mail](../how-to/send-mail.md).',
    keys: {
      smtp: optionalTextKey({
        name: 'smtp',
        fallback: null,
        matches: (text) => /^[A-Za-z0-9.:_-]{1,255}$/.test(text),
        expected: 'a host name or an IP address',
        doc: 'The host of the mail server. Left out: workflows cannot send mail.',
      }),
      port: numberOrText(
        integerKey({
          name: 'port',
          fallback: 587,
          min: 1,
          max: 65_535,
          doc: 'Its port.',
          tuning: 'Usually 587 with `tls = "starttls"`, 465 with `"implicit"`, 25 for a relay of the own network.',
        }),
      ),
      user: optionalTextKey({
        name: 'user',
        fallback: null,
        matches: (text) => text.length <= 320,
        expected: 'a name',
        doc: 'Who logs in, when there is a `password`. Left out: the address of `from`.',
      }),
      password: optionalTextKey({
        name: 'password',
        fallback: null,
        matches: (text) => text.length <= 4096,
        expected: 'a password',
        secret: true,
        doc: 'Left out: nobody logs in.',
      }),
      from: optionalTextKey({
        name: 'from',
        fallback: null,
        matches: (text) => /^[^\r\n]{1,500}$/.test(text) && text.includes('@'),
        expected: 'an address such as flows@example.com or "Flows <flows@example.com>"',
        doc: 'Who mail is from that says nothing itself.',
      }),
      tls: choiceKey({
        name: 'tls',
        fallback: 'starttls',
        choices: ['starttls', 'implicit', 'optional', 'none'],
        doc: '`starttls` begins plain and refuses to go on without TLS, `implicit` speaks TLS from the start, `optional` takes TLS when the server offers it, `none` never does.',
        tuning:
          'With `optional` and `none`, who sits in between can read mail and password: for a relay on the same machine.',
      }),
      ca: optionalTextKey({
        name: 'ca',
        fallback: null,
        matches: (text) => text.length <= 4096 && !text.includes('\0'),
        expected: 'the path of a PEM file',
        doc: 'Certificates of the authorities that may sign that of the mail server. Left out: those that Node knows.',
      }),
      maxConnections: integerKey({
        name: 'max_connections',
        unit: 'connections',
        fallback: 5,
        min: 1,
        max: 100,
        doc: 'Connections to the mail server at one time; mail beyond it waits within its own timeout.',
        tuning: 'Raise it when mail waits and the server allows more; many refuse more than ten from one client.',
      }),
      recipientsMax: integerKey({
        name: 'max_recipients',
        unit: 'addresses',
        fallback: 100,
        min: 1,
        max: 10_000,
        doc: 'Addresses of one mail, in `to`, `cc` and `bcc` together.',
        tuning: 'Lower it to bound what a mistake in a workflow can do.',
      }),
      bytesMax: integerKey({
        name: 'max_bytes',
        unit: 'bytes',
        fallback: 5 * mebibyte,
        min: kibibyte,
        max: 64 * mebibyte,
        doc: 'Texts and attachments of one mail; base64 on the way adds a third.',
        tuning: 'The arguments of an effect are at most 6 MiB of JSON, attachments included.',
      }),
    },
  },
  redis: {
    name: 'redis',
    doc: 'A Redis that several servers share: the second level of their cache. Nothing waits for it; while it is away, each server keeps what it keeps in its own memory. Workflows do not reach it.',
    keys: {
      host: optionalTextKey({
        name: 'host',
        fallback: null,
        matches: (text) => parseRedisAddresses(text) !== null,
        expected: redisAddressesExpected,
        doc: 'Where it is: `host:port`. Several with commas between are nodes of one Cluster; of a single one the server finds out whether it belongs to one. Empty: there is none.',
        tuning:
          'Worth it when several servers run the same workflows: they share what one of them has made. One server alone has no use for it.',
      }),
      password: optionalTextKey({
        name: 'password',
        fallback: null,
        matches: (text) => text.length <= 512,
        expected: 'a text of at most 512 characters',
        doc: 'Of the user `default`. Empty: it asks for none.',
        secret: true,
      }),
      database: integerKey({
        name: 'db',
        fallback: 0,
        min: 0,
        max: 1023,
        doc: 'Number of the database. A Cluster has only 0.',
        tuning: 'For a Redis that others use as well; all keys of nFlow begin with `nflow:` in any case.',
      }),
      connectionsMax: integerKey({
        name: 'maxconnectionpool',
        unit: 'connections',
        fallback: 10,
        min: 1,
        max: 1000,
        doc: 'Most connections of this server to it. One carries many calls at a time; another is opened above 32. To a Cluster there is one for each node.',
        tuning: 'Rarely worth raising: a single connection carries tens of thousands of calls a second.',
      }),
    },
  },
  egress: {
    name: 'egress',
    doc: 'Where workflows may send requests.',
    keys: {
      allow: listKey({
        name: 'allow',
        fallback: [],
        lengthMax: 1000,
        isItem: (item) => egressEntryProblem(item) === null,
        itemProblem: egressEntryProblem,
        itemExpected: egressEntryForms,
        doc: 'Addresses outside the public internet (private, loopback, link-local, metadata services, translations of them …) are refused unless named here. Public ones are always allowed.',
        tuning:
          'Name the single service with its port rather than a range. A name opens private and loopback addresses only: link-local and metadata addresses take an entry with the address itself.',
      }),
    },
  },
  log: {
    name: 'log',
    doc: 'What is written to stderr: JSON lines, or short readable ones on a terminal.',
    keys: {
      level: choiceKey({
        name: 'level',
        fallback: 'info',
        choices: ['debug', 'info', 'warn', 'error'],
        doc: 'The least severe level that is written.',
        tuning: '`debug` tells about every connection and batch: for finding a fault, not for keeping.',
      }),
    },
  },
};

export const varsSection = {
  name: 'vars',
  doc: 'Values for expressions: `vars.NAME`. Texts, numbers and booleans; fixed when a workflow is loaded. Not for secrets.',
  namePattern: /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
  nameExpected: 'a name of letters, digits and _, not starting with a digit, at most 63 long',
  reservedNames: ['__proto__', 'constructor', 'prototype'],
  valueExpected: 'a text, a number (an integer of at most 9007199254740991) or a boolean',
  countMax: 1000,
} as const;

/** One row of the table with its place, for code that goes through all keys. */
export interface PlacedKey {
  /** `section.name` as in TOML. */
  id: string;
  section: keyof KeyedSections;
  field: string;
  key: ConfigKey<unknown>;
}

export const placedKeys: readonly PlacedKey[] = (Object.keys(configSections) as (keyof KeyedSections)[]).flatMap(
  (section) => {
    const { name, keys } = configSections[section];
    return Object.entries(keys as Record<string, ConfigKey<unknown>>).map(([field, key]) => ({
      id: `${name}.${key.name}`,
      section,
      field,
      key,
    }));
  },
);

/** The name of the environment variable that sets a key: `server.port` is `NFLOW_SERVER__PORT`. */
export function environmentName(id: string): string {
  return `NFLOW_${id.split('.').join('__').replaceAll('-', '_').toUpperCase()}`;
}
