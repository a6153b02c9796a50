/**
 * Connection strings, read as libpq reads them (https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING): a URL
 * or `key=value` words. The driver's own reader takes `host=db user=u` for a URL and `sslmode=require` for verify-full.
 */
import { NflowError } from '../errors.ts';

/** libpq's modes, weakest first. `require` encrypts without checking who answers, unless a root certificate is given. */
export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

export interface Dsn {
  /** Name or address; a folder when it begins with `/`: then it is a Unix socket. */
  host: string;
  port: number;
  user: string;
  password: string | null;
  database: string;
  sslMode: SslMode;
  /** PEM file of the authorities to trust, or `system`. */
  sslRootCert: string | null;
  sslCert: string | null;
  sslKey: string | null;
  applicationName: string | null;
  /** Time for one connection to be made. */
  connectTimeoutMs: number;
  /** Most connections that one gateway opens, or null for the default. */
  poolMaxConns: number | null;
  /** Command-line options for the session, such as `-c search_path=x`. */
  options: string | null;
}

const defaultConnectTimeoutMs = 10_000;
/** Fewer cannot hold the beat, one commit connection, one for large rows and one for queries. */
export const poolMaxConnsLeast = 4;
const poolMaxConnsMost = 1000;

/** Keys of other drivers' pools: accepted, because connection strings are shared, and without effect. */
const withoutEffect = new Set([
  'pool_min_conns',
  'pool_min_idle_conns',
  'pool_max_conn_lifetime',
  'pool_max_conn_lifetime_jitter',
  'pool_max_conn_idle_time',
  'pool_health_check_period',
  'gssencmode',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'client_encoding',
]);

const keys = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'application_name',
  'connect_timeout',
  'pool_max_conns',
  'options',
] as const;
type Key = (typeof keys)[number];

/** @throws NflowError `invalid_config` naming the part that is wrong; the password is never in it. */
export function parseDsn(text: string): Dsn {
  const trimmed = text.trim();
  const words = /^postgres(ql)?:\/\//i.test(trimmed) ? readUrl(trimmed) : readWords(trimmed);
  const value = (key: Key): string | null => {
    const found = words.get(key);
    return found === undefined || found === '' ? null : found;
  };
  for (const key of words.keys()) {
    if (!(keys as readonly string[]).includes(key) && !withoutEffect.has(key)) {
      throw wrong(key, 'an unknown key', `one of ${keys.join(', ')}`);
    }
  }
  const user = value('user');
  if (user === null) throw wrong('user', 'nothing', 'the name of a role');
  const host = value('host') ?? 'localhost';
  if (host.includes(',')) throw wrong('host', 'a list of hosts', 'one host; put a proxy before several');
  const sslMode = readSslMode(value('sslmode'), value('sslrootcert'));
  return {
    host,
    port: readNumber('port', value('port'), 1, 65_535) ?? 5432,
    user,
    password: value('password'),
    database: value('dbname') ?? user,
    sslMode,
    sslRootCert: value('sslrootcert'),
    sslCert: value('sslcert'),
    sslKey: value('sslkey'),
    applicationName: value('application_name'),
    connectTimeoutMs: readConnectTimeoutMs(value('connect_timeout')),
    poolMaxConns: readNumber('pool_max_conns', value('pool_max_conns'), poolMaxConnsLeast, poolMaxConnsMost),
    options: value('options'),
  };
}

/** Of a string that cannot be read, whether there may be one. */
export function holdsPassword(text: string | null): boolean {
  if (text === null) return false;
  try {
    return parseDsn(text).password !== null;
  } catch {
    return /password|@/i.test(text);
  }
}

/** For logs and messages: no password in it. */
export function describeDsn(dsn: Dsn): string {
  const place = dsn.host.startsWith('/') ? `socket ${dsn.host}` : `${dsn.host}:${dsn.port}`;
  return `database ${dsn.database} as ${dsn.user} at ${place}`;
}

function readUrl(text: string): Map<string, string> {
  const words = new Map<string, string>();
  const rest = text.slice(text.indexOf('://') + 3);
  const [beforeQuery = '', query] = splitOnce(rest, '?');
  const [authority = '', path] = splitOnce(beforeQuery, '/');
  const at = authority.lastIndexOf('@');
  if (at !== -1) {
    const [user = '', password] = splitOnce(authority.slice(0, at), ':');
    words.set('user', decode('user', user));
    if (password !== undefined) words.set('password', decode('password', password));
  }
  const place = authority.slice(at + 1);
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(place);
  if (place.startsWith('[') && bracketed === null)
    throw wrong('host', 'an IPv6 address without its end', '[address]:port');
  const [host, port] = bracketed === null ? splitOnce(place, ':') : [bracketed[1], bracketed[2]];
  if (host !== undefined && host !== '') words.set('host', decode('host', host));
  if (port !== undefined && port !== '') words.set('port', decode('port', port));
  if (path !== undefined && path !== '') words.set('dbname', decode('dbname', path));
  for (const pair of query === undefined || query === '' ? [] : query.split('&')) {
    const [name = '', given] = splitOnce(pair, '=');
    const key = decode('query', name);
    if (given === undefined) throw wrong(key, 'no value', `${key}=VALUE`);
    // JDBC's spelling, which libpq takes too.
    if (key === 'ssl' && given === 'true') words.set('sslmode', 'require');
    else words.set(key, decode(key, given));
  }
  return words;
}

/** `key = 'value with \' quotes'`, in libpq's grammar. */
function readWords(text: string): Map<string, string> {
  const words = new Map<string, string>();
  let at = 0;
  const skipSpace = () => {
    while (at < text.length && /\s/.test(text[at] as string)) at++;
  };
  for (;;) {
    skipSpace();
    if (at >= text.length) return words;
    const start = at;
    while (at < text.length && !/[\s=]/.test(text[at] as string)) at++;
    const key = text.slice(start, at);
    skipSpace();
    if (key === '' || text[at] !== '=') {
      // The word may be a part of a password with a space in it: it is not repeated.
      throw wrong(
        `position ${start + 1}`,
        'a word without =',
        'key=value words, or a URL that begins with postgres://',
      );
    }
    at++;
    skipSpace();
    let value = '';
    if (text[at] === "'") {
      at++;
      while (at < text.length && text[at] !== "'") {
        if (text[at] === '\\') at++;
        value += text[at] ?? '';
        at++;
      }
      if (at >= text.length) throw wrong(key, 'a quoted value without its end', "a closing '");
      at++;
    } else {
      while (at < text.length && !/\s/.test(text[at] as string)) {
        if (text[at] === '\\') at++;
        value += text[at] ?? '';
        at++;
      }
    }
    words.set(key, value);
  }
}

function readSslMode(given: string | null, rootCert: string | null): SslMode {
  const mode = given ?? 'prefer';
  if (!(sslModes as readonly string[]).includes(mode))
    throw wrong('sslmode', `'${mode}'`, `one of ${sslModes.join(', ')}`);
  if ((mode === 'verify-ca' || mode === 'verify-full') && rootCert === null) {
    throw wrong(
      'sslrootcert',
      `nothing beside sslmode=${mode}`,
      'the file of the authority that signed the server, or system',
    );
  }
  return mode as SslMode;
}

/** libpq counts seconds; 0 and less mean for ever, which no start of ours waits. */
function readConnectTimeoutMs(text: string | null): number {
  if (text === null) return defaultConnectTimeoutMs;
  if (!/^-?\d+$/.test(text)) throw wrong('connect_timeout', `'${text}'`, 'whole seconds');
  return Number(text) <= 0 ? defaultConnectTimeoutMs : Math.max(2, Math.min(Number(text), 600)) * 1000;
}

function readNumber(key: Key, text: string | null, least: number, most: number): number | null {
  if (text === null) return null;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  // In a mistyped URL the password may stand where the port should: it is not repeated.
  const got = /^\d{1,6}$/.test(text) ? text : 'something else';
  if (!(number >= least && number <= most)) throw wrong(key, got, `a whole number from ${least} to ${most}`);
  return number;
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(part, 'a % that is not followed by two hexadecimal digits of UTF-8', '%25 for a % itself');
  }
}

function splitOnce(text: string, separator: string): [string | undefined, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function wrong(part: string, got: string, expected: string): NflowError {
  return new NflowError(
    'invalid_config',
    `The connection string is not valid at ${part}: got ${got}, expected ${expected}`,
    {
      pointer: part,
      got,
      expected,
      remedy: 'Correct [database_nflow] dsn.',
    },
  );
}
