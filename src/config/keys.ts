/**
 * Every configuration key, once. Reading TOML, the environment and flags, checking, defaults, `nflow config show` and the
 * reference in docs/reference/config.md are derived from this table; its type ties it to `Config`, so that neither can have a
 * field that the other has not.
 */
import { availableParallelism, totalmem } from 'node:os';
import type { Config } from './config.ts';
import { isEgressEntry } from './egress-entry.ts';
import {
  booleanKey,
  type ConfigKey,
  choiceKey,
  durationKey,
  integerKey,
  listKey,
  optionalTextKey,
  textKey,
} from './key-kinds.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const milliseconds = { name: 'milliseconds', ms: 1 } as const;
const seconds = { name: 'seconds', ms: second } as const;
const minutes = { name: 'minutes', ms: minute } as const;

/** `vars` is free: its keys are the user's. */
type KeyedSections = Omit<Config, 'vars'>;

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
        doc: 'Address to listen on. Administration and `/metrics` are answered only while it is a loopback address.',
      }),
      port: integerKey({
        name: 'port',
        unit: 'port',
        fallback: 8080,
        min: 0,
        max: 65_535,
        doc: 'Port to listen on; 0 takes a free one.',
      }),
      maxInflightBytes: integerKey({
        name: 'max_inflight_bytes',
        unit: 'bytes',
        fallback: () => Math.max(64 * mebibyte, Math.floor(totalmem() / 8)),
        fallbackText: 'an eighth of the memory of the machine, at least 67108864',
        min: mebibyte,
        max: 2 ** 44,
        doc: 'Bytes over bodies, frames, journals and unwritten rows above which requests are refused with 503 `queue_full`.',
      }),
      drainTimeoutMs: durationKey({
        name: 'drain_timeout',
        fallback: 30 * second,
        minMs: 0,
        maxMs: hour,
        doc: 'How long a stopping server waits for the executions in flight.',
      }),
      bodySizeMax: integerKey({
        name: 'max_body_bytes',
        unit: 'bytes',
        fallback: mebibyte,
        min: kibibyte,
        max: 32 * mebibyte,
        doc: 'Largest request body; more is answered 413 `body_too_large`.',
      }),
      headerSizeMax: integerKey({
        name: 'max_header_bytes',
        unit: 'bytes',
        fallback: 16 * kibibyte,
        min: kibibyte,
        max: mebibyte,
        doc: 'Largest sum of request header names and values; more is answered 431 `headers_too_large`.',
      }),
      urlSizeMax: integerKey({
        name: 'max_url_bytes',
        unit: 'bytes',
        fallback: 8 * kibibyte,
        min: 256,
        max: mebibyte,
        doc: 'Longest path with its query; more is answered 414 `uri_too_long`.',
      }),
      jsonDepthMax: integerKey({
        name: 'max_json_depth',
        unit: 'levels',
        fallback: 64,
        min: 1,
        max: 512,
        doc: 'Deepest nesting of a JSON body or result; a deeper body is answered 400 `bad_body`.',
      }),
      requestTimeoutMs: durationKey({
        name: 'request_timeout',
        fallback: minute,
        minMs: second,
        maxMs: hour,
        doc: 'Time for a whole request to arrive; a slower one is answered 408 `request_timeout`.',
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
        doc: 'Most VMs at one time. A VM takes about 2.2 MB when it is new.',
      }),
      preloadSize: integerKey({
        name: 'preload_size',
        unit: 'VMs',
        fallback: 16,
        min: 0,
        max: 100_000,
        doc: 'Warm VMs, not yet bound to a workflow, made at start; at most `max_size`.',
      }),
      idleTimeoutMs: durationKey({
        name: 'idle_timeout',
        bareUnit: minutes,
        fallback: 15 * minute,
        minMs: second,
        maxMs: 30 * day,
        doc: 'A VM that was not used for this long is thrown away at the next cleanup.',
      }),
      cleanupIntervalMs: durationKey({
        name: 'cleanup_interval',
        bareUnit: minutes,
        fallback: 10 * minute,
        minMs: second,
        maxMs: 30 * day,
        doc: 'Time between two cleanups of the pool.',
      }),
      enableMetrics: booleanKey({
        name: 'enable_metrics',
        fallback: true,
        doc: 'Shows the `nflow_vm_pool_*` metrics.',
      }),
      acquireTimeoutMs: durationKey({
        name: 'acquire_timeout_ms',
        bareUnit: milliseconds,
        fallback: second,
        minMs: 0,
        maxMs: 10 * minute,
        doc: 'How long a segment waits for a VM when every one is executing; then 503 `pool_exhausted`.',
      }),
      maxMemoryMiB: integerKey({
        name: 'max_memory_mb',
        unit: 'MiB',
        fallback: 128,
        min: 16,
        max: 4096,
        doc: 'Heap with external memory of one VM; the run that crosses it ends `crashed`.',
      }),
      maxExecutionMs: durationKey({
        name: 'max_execution_seconds',
        bareUnit: seconds,
        fallback: 30 * second,
        minMs: 10,
        maxMs: hour,
        doc: 'CPU time of one segment; the run that crosses it ends `timed_out`.',
      }),
      recycleAfterRuns: integerKey({
        name: 'recycle_after_runs',
        unit: 'runs',
        fallback: 100_000,
        min: 1,
        max: 1_000_000_000,
        doc: 'Runs after which a VM is replaced by a new one.',
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
        choices: ['postgres'],
        doc: 'Kept from the original; PostgreSQL 14 to 18 is the only one.',
      }),
      dsn: optionalTextKey({
        name: 'dsn',
        fallback: null,
        pattern: /^(postgres(ql)?:\/\/\S+|[a-z_]+\s*=.*)$/s,
        expected:
          'a URL such as postgres://user:password@host/nflow or a key=value list such as "host=db user=nflow dbname=nflow"',
        secret: true,
        doc: 'Where PostgreSQL is; `pool_max_conns` and `sslmode` inside it are honoured. Empty: an embedded server in the data folder.',
      }),
      unsafe: booleanKey({
        name: 'unsafe',
        fallback: false,
        doc: 'Accepts a PostgreSQL with `fsync = off`: a crash of its machine may then lose what was acknowledged.',
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
      }),
      maxIdleConnsPerHost: integerKey({
        name: 'max_idle_conns_per_host',
        unit: 'connections',
        fallback: 10,
        min: 0,
        max: 100_000,
        doc: 'Idle connections kept open to one host; 0 keeps none.',
      }),
      idleConnTimeoutMs: durationKey({
        name: 'idle_conn_timeout',
        fallback: 90 * second,
        minMs: second,
        maxMs: hour,
        doc: 'An idle connection is closed after this time.',
      }),
      timeoutMs: durationKey({
        name: 'timeout',
        fallback: 30 * second,
        minMs: 1,
        maxMs: hour,
        doc: 'Time for a whole exchange, unless the node says another.',
      }),
      maxConnsPerHost: integerKey({
        name: 'max_conns_per_host',
        unit: 'connections',
        fallback: 0,
        min: 0,
        max: 100_000,
        doc: 'Connections to one host at one time, active ones included; 0 is no limit.',
      }),
      responseSizeMax: integerKey({
        name: 'max_response_bytes',
        unit: 'bytes',
        fallback: 10 * mebibyte,
        min: kibibyte,
        max: 64 * mebibyte,
        doc: 'Largest response body, after decompression; more fails the effect.',
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
        isItem: isEgressEntry,
        itemExpected:
          'a host, host:port or CIDR range such as "127.0.0.1:8080", "[::1]:8080", "intranet.example" or "10.0.0.0/8"',
        doc: 'Private, loopback and link-local addresses are refused unless named here. Public ones are always allowed.',
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
        doc: 'Rows of `recorded` executions kept in memory while PostgreSQL is away; more are dropped and counted.',
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
  valueExpected: 'a text, a number or a boolean',
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
  const dot = id.indexOf('.');
  return `NFLOW_${id.slice(0, dot).toUpperCase()}__${id.slice(dot + 1).toUpperCase()}`;
}
