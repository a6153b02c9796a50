/**
 * Sections of which a configuration may have several, each under a name of the operator's: `[datasources.orders]`. As in
 * `config/keys.ts`, everything about their keys is derived from one table.
 */
import { hostEntryExpected, isHostEntry } from './bound-hosts.ts';
import type { Config, NamedSections } from './config.ts';
import { holdsPassword } from './dsn.ts';
import { grantExpected, isGrantPattern } from './grants.ts';
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

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

const pemExpected = 'PEM text, or the path of a PEM file';

function isPemOrPath(text: string): boolean {
  return text.includes('-----BEGIN ') || (text.length <= 4096 && !/[\n\0]/.test(text));
}

export interface NamedSection<Entry> {
  /** As written in TOML, before the name. */
  readonly name: string;
  readonly doc: string;
  /** Of entries. */
  readonly countMax: number;
  readonly keys: { readonly [K in keyof Entry]: ConfigKey<Entry[K]> };
}

export const entryNamePattern = /^[a-z][a-z0-9_-]{0,31}$/;
export const entryNameExpected =
  'a name of lower-case letters, digits, _ and -, beginning with a letter, at most 32 long';

export const namedSections: { readonly [S in keyof NamedSections]: NamedSection<NamedSections[S][string]> } = {
  tls: {
    name: 'tls',
    doc: 'TLS settings for requests of workflows, by name: a node `http` with `tls: "NAME"` uses them. See [secrets](../how-to/secrets.md).',
    countMax: 100,
    keys: {
      ca: optionalTextKey({
        name: 'ca',
        fallback: null,
        matches: isPemOrPath,
        expected: pemExpected,
        doc: "Certificates that the server's own is checked with, instead of those that Node knows.",
        tuning: 'For services with a certificate of your own authority.',
      }),
      cert: optionalTextKey({
        name: 'cert',
        fallback: null,
        matches: isPemOrPath,
        expected: pemExpected,
        doc: 'The certificate that nFlow shows, with those between it and its authority behind it.',
        tuning: 'Services that ask for one (mutual TLS) know the caller by it. Needs `key`.',
      }),
      key: optionalTextKey({
        name: 'key',
        fallback: null,
        matches: isPemOrPath,
        expected: pemExpected,
        secret: true,
        holdsSecret: (value) => value?.includes('-----BEGIN ') === true,
        doc: 'The private key of `cert`, without a passphrase.',
        tuning: 'Rather the path of a file that only nFlow may read than the key itself.',
      }),
      serverName: optionalTextKey({
        name: 'server_name',
        fallback: null,
        matches: (text) => /^[A-Za-z0-9_.-]{1,253}$/.test(text),
        expected: 'the name of a host',
        doc: "The name that the server's certificate must have, and that is asked for. Left out: the host of the address.",
        tuning: 'For a service that is called by an address, or by another name than that of its certificate.',
      }),
      minVersion: choiceKey({
        name: 'min_version',
        fallback: 'TLSv1.2',
        choices: ['TLSv1.2', 'TLSv1.3'],
        doc: 'The oldest version of TLS that is spoken.',
        tuning: 'TLSv1.3 where the service is known to have it.',
      }),
      hosts: listKey({
        name: 'hosts',
        fallback: [],
        lengthMax: 100,
        isItem: isHostEntry,
        itemExpected: hostEntryExpected,
        doc: 'Where these settings may be used. None by default.',
      }),
      workflows: listKey({
        name: 'workflows',
        fallback: [],
        lengthMax: 1000,
        isItem: isGrantPattern,
        itemExpected: grantExpected,
        doc: 'Workflows that may use them. None by default.',
      }),
    },
  },
  datasources: {
    name: 'datasources',
    doc: 'PostgreSQL databases that workflows query with `sql` nodes and `ctx.sql(NAME)`. `main` is the one that is meant where none is named. See [query a database](../how-to/query-a-database.md).',
    countMax: 100,
    keys: {
      dsn: {
        ...textKey({
          name: 'dsn',
          fallback: '',
          fallbackText: 'none: it must be given',
          pattern: /\S/,
          expected: 'a connection string of PostgreSQL, such as "postgres://user:password@host:5432/database"',
          doc: 'Where the database is: a URL or `key=value` words, as libpq reads them.',
          tuning: 'Give it a role of its own, with the rights that the workflows need and no more.',
          secret: true,
        }),
        holdsSecret: holdsPassword,
      },
      workflows: listKey({
        name: 'workflows',
        fallback: [],
        lengthMax: 1000,
        isItem: isGrantPattern,
        itemExpected: grantExpected,
        doc: 'Workflows that may use it. None by default.',
      }),
      readOnly: booleanKey({
        name: 'read_only',
        fallback: false,
        doc: 'True: every statement runs in a `READ ONLY` transaction, so that the database refuses what writes.',
        tuning: 'For a replica, or a database of others. Its role should have no right to write either.',
      }),
      poolMaxConns: integerKey({
        name: 'pool_max_conns',
        unit: 'connections',
        fallback: 10,
        min: 1,
        max: 1000,
        doc: 'Most connections of one server to it. They are opened when they are needed and closed when they are idle.',
        tuning:
          'Raise it when `nflow_datasource_pool_waiting` stays above 0 while the database has capacity to spare; count all servers against its `max_connections`.',
      }),
      acquireTimeoutMs: durationKey({
        name: 'acquire_timeout',
        fallback: 5 * second,
        minMs: 0,
        maxMs: 10 * minute,
        doc: 'How long a call waits for a connection when all are in use; then it fails with `pool_exhausted`.',
        tuning: 'Longer rides out bursts; shorter lets a workflow with `retry` or another way take it sooner.',
      }),
      statementTimeoutMs: durationKey({
        name: 'statement_timeout',
        fallback: 30 * second,
        minMs: 10,
        maxMs: day,
        doc: 'After this the database ends a statement, whatever the timeout of its node is, and even when this server is gone.',
        tuning: 'Raise it for reports, and the `timeout` of their nodes with it. Locks are held as long.',
      }),
      rowsMax: integerKey({
        name: 'max_rows',
        unit: 'rows',
        fallback: 10_000,
        min: 1,
        max: 1_000_000,
        doc: 'Rows of one result; more fails the call.',
        tuning: 'A result lives in the gateway, in the VM and in the journal: rather read in pages than raise it.',
      }),
      bytesMax: integerKey({
        name: 'max_bytes',
        unit: 'bytes',
        fallback: 10 * mebibyte,
        min: kibibyte,
        max: 64 * mebibyte,
        doc: 'Size of the results of one call, as JSON; more fails the call.',
        tuning: 'Raise it for rows with documents in them, and `vm_pool.max_memory_mb` with it.',
      }),
      effectsRetentionMs: durationKey({
        name: 'effects_retention',
        fallback: 30 * day,
        minMs: hour,
        maxMs: 3650 * day,
        doc: 'How long the results of writing calls are kept in the table `nflow_effects` of that database. A call that is repeated later is made again.',
        tuning: 'Keep it longer than a server may be down, and than an execution may wait.',
      }),
    },
  },
};

/** One row of the table, for code that goes through all keys. */
export interface NamedKey {
  section: keyof NamedSections;
  field: string;
  key: ConfigKey<unknown>;
}

/** The keys of a section by their names in TOML; undefined for a section without names. */
export function namedKeysOf(sectionName: string): ReadonlyMap<string, NamedKey> | undefined {
  return keysBySection.get(sectionName);
}

const keysBySection: ReadonlyMap<string, ReadonlyMap<string, NamedKey>> = new Map(
  (Object.keys(namedSections) as (keyof NamedSections)[]).map((section) => {
    const { name, keys } = namedSections[section];
    const named = Object.entries(keys as Record<string, ConfigKey<unknown>>).map(([field, key]): [string, NamedKey] => [
      key.name,
      { section, field, key },
    ]);
    return [name, new Map(named)];
  }),
);

/** Every value of the entries, with its id `section.NAME.key`. */
export function* namedValues(config: Config): Generator<{ id: string; key: ConfigKey<unknown>; value: unknown }> {
  for (const section of Object.keys(namedSections) as (keyof NamedSections)[]) {
    for (const [name, entry] of Object.entries(config[section])) {
      for (const [field, key] of Object.entries(namedSections[section].keys as Record<string, ConfigKey<unknown>>)) {
        const value = (entry as unknown as Record<string, unknown>)[field];
        yield { id: `${namedSections[section].name}.${name}.${key.name}`, key, value };
      }
    }
  }
}
