import { readAuthorization } from './authorization.ts';
import { parseSaveTarget, type SaveTarget } from './body-file.ts';
import { HttpFailure } from './failure.ts';
import { encodeForm, encodeMultipart } from './form-body.ts';

/** A checked HTTP call, as the workflow asked for it. */
export interface HttpRequest {
  /** Upper case. */
  method: string;
  /** http or https, without user, password and fragment; the query is in it. */
  url: URL;
  /** As written; every name once, whatever its case. */
  headers: HeaderField[];
  body: Buffer | null;
  timeoutMs: number;
  followsRedirects: boolean;
  /** Name of the TLS settings; null: the usual ones. */
  tls: string | null;
  /** Where the body of a good answer goes; null: into the result. */
  saveTo: SaveTarget | null;
}

export interface HeaderField {
  name: string;
  value: string;
}

const urlSizeMax = 16 * 1024;
const headersSizeMax = 64 * 1024;
const timeoutMaxMs = 24 * 60 * 60 * 1_000;

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What a field value may be (RFC 9110): no CR, LF, NUL or other control, and nothing that Latin-1 cannot say. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what is looked for
const controls = /[\u0000-\u001f\u007f]/;

/** Headers that frame the message or speak to the next hop: nFlow sets them, or nobody does. */
const refusedHeaders = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const contentTypes: Record<BodyKind, string> = {
  json: 'application/json',
  text: 'text/plain;charset=UTF-8',
  base64: 'application/octet-stream',
};

type BodyKind = 'json' | 'text' | 'base64';

/**
 * Reads the arguments of the effect `http`:
 * `{ method, url, headers: { name: value } | null, query: { name: value | [value] } | null, body: string | null,
 * bodyKind: "json" | "text" | "base64" | null, timeoutMs: number | null, redirect: "follow" | "manual" }`, and where they are
 * given `auth` (`authorization.ts`), `form` or `multipart` (`form-body.ts`) instead of `body`, `tls`, and `saveTo` (`body-file.ts`).
 * They come out of a VM, so nothing of them is believed. Throws HttpFailure `invalid_request`.
 */
export function parseHttpRequest(argumentsJson: string, defaultTimeoutMs: number): HttpRequest {
  const fields = parseFields(argumentsJson);
  const { method, url } = parseTarget(fields);
  const typed = parseTypedBody(fields);
  const body = typed?.content ?? null;
  if (body !== null && (method === 'GET' || method === 'HEAD')) {
    throw invalid('body', `a body with ${method}`, 'no body: servers and caches disagree on what it would mean');
  }
  const headers = parseHeaders(fields.headers);
  const has = (name: string): boolean => headers.some((header) => header.name.toLowerCase() === name.toLowerCase());
  if (typed !== null && typed.contentType !== null && !has('content-type')) {
    headers.push({ name: 'content-type', value: typed.contentType });
  }
  const auth = isAbsent(fields.auth) ? null : readAuthorization(fields.auth, invalid);
  if (auth !== null && auth.header !== null) {
    const { name, value } = auth.header;
    if (has(name)) throw invalid('auth', `the header ${name} in "headers" too`, 'one of them');
    headers.push(...parseHeaders({ [name]: value }));
  }
  return {
    method,
    url: withQuery(withQuery(url, fields.query), auth?.query == null ? null : { [auth.query.name]: auth.query.value }),
    headers,
    body,
    timeoutMs: parseTimeout(fields.timeoutMs, defaultTimeoutMs),
    followsRedirects: parseRedirect(fields.redirect),
    tls: parseTlsName(fields.tls),
    saveTo: parseSaveTarget(fields.saveTo),
  };
}

/** Of the same arguments only what the call is aimed at. Throws HttpFailure `invalid_request`. */
export function parseHttpTarget(argumentsJson: string): Pick<HttpRequest, 'method' | 'url'> {
  return parseTarget(parseFields(argumentsJson));
}

/** Of the same arguments only the method. Throws HttpFailure `invalid_request`. */
export function parseHttpMethod(argumentsJson: string): string {
  return parseMethod(parseFields(argumentsJson).method);
}

function parseTarget(fields: Fields): Pick<HttpRequest, 'method' | 'url'> {
  return { method: parseMethod(fields.method), url: parseUrl(fields.url) };
}

const fieldNames = [
  'method',
  'url',
  'headers',
  'query',
  'body',
  'bodyKind',
  'timeoutMs',
  'redirect',
  'auth',
  'form',
  'multipart',
  'tls',
  'saveTo',
] as const;

type Fields = { [K in (typeof fieldNames)[number]]?: unknown };

function parseFields(argumentsJson: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(argumentsJson);
  } catch {
    throw new HttpFailure('invalid_request', 'the arguments of the effect are not JSON');
  }
  if (!isRecord(value)) throw invalid('arguments', kindOf(value), 'an object');
  for (const name of Object.keys(value)) {
    if (!(fieldNames as readonly string[]).includes(name))
      throw invalid(name, 'an unknown field', fieldNames.join(', '));
  }
  return value;
}

function parseMethod(value: unknown): string {
  if (typeof value !== 'string' || value.length > 32 || !token.test(value)) {
    throw invalid('method', show(value), 'an HTTP method such as GET or POST');
  }
  const method = value.toUpperCase();
  if (method === 'CONNECT' || method === 'TRACE')
    throw invalid('method', method, 'a method other than CONNECT and TRACE');
  return method;
}

/** Reads an absolute http(s) URL without user and password. Throws HttpFailure `invalid_request`. */
export function parseUrl(value: unknown, base?: URL): URL {
  if (typeof value !== 'string') throw invalid('url', kindOf(value), 'a string');
  if (value.length > urlSizeMax) throw invalid('url', `${value.length} characters`, `at most ${urlSizeMax}`);
  // A URL parser drops tabs and line ends without a word: what was meant to be two lines would be one address.
  if (controls.test(value))
    throw invalid('url', 'a control character', 'an address without line ends and other controls');
  if (!URL.canParse(value, base)) {
    throw invalid('url', withoutSecrets(value), 'an absolute address such as https://example.com/path');
  }
  const url = new URL(value, base);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalid('url', `the scheme ${url.protocol}`, 'http: or https:');
  if (url.username !== '' || url.password !== '') {
    throw invalid('url', 'a user or password in the address', 'them in an Authorization header');
  }
  url.hash = '';
  return url;
}

function withQuery(url: URL, query: unknown): URL {
  if (query === null || query === undefined) return url;
  if (!isRecord(query)) throw invalid('query', kindOf(query), 'an object or null');
  const added = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item === null) continue;
      if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'boolean') {
        throw invalid(`query.${name}`, kindOf(item), 'a string, number, boolean or null, or an array of them');
      }
      added.append(name, String(item));
    }
  }
  // Added to the text of the query that is there: writing that one anew would change its escapes, and signatures over it.
  if (added.size > 0) url.search = url.search === '' ? `?${added}` : `${url.search}&${added}`;
  if (url.href.length > urlSizeMax)
    throw invalid('query', `an address of ${url.href.length} characters`, `at most ${urlSizeMax}`);
  return url;
}

function parseHeaders(value: unknown): HeaderField[] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value)) throw invalid('headers', kindOf(value), 'an object or null');
  const seen = new Set<string>();
  let size = 0;
  return Object.entries(value).map(([name, content]) => {
    const lower = name.toLowerCase();
    if (!token.test(name)) throw invalid('headers', show(name), 'names of letters, digits and -');
    if (refusedHeaders.has(lower) || lower.startsWith('proxy-')) {
      throw invalid(`headers.${name}`, 'a header that frames the message', 'it left out: nFlow sets what is needed');
    }
    if (seen.has(lower))
      throw invalid(`headers.${name}`, 'the same header twice', 'every header once, whatever its case');
    seen.add(lower);
    if (typeof content !== 'string') throw invalid(`headers.${name}`, kindOf(content), 'a string');
    if (!fieldValue.test(content)) {
      throw invalid(`headers.${name}`, 'a line end, a control or a character outside Latin-1', 'visible Latin-1 text');
    }
    size += name.length + content.length + 4;
    if (size > headersSizeMax) throw invalid('headers', 'more', `at most ${headersSizeMax} bytes together`);
    return { name, value: content };
  });
}

function parseBodyKind(value: unknown): BodyKind | null {
  if (value === null || value === undefined) return null;
  if (value === 'json' || value === 'text' || value === 'base64') return value;
  throw invalid('bodyKind', show(value), '"json", "text", "base64" or null');
}

function parseBody(value: unknown, kind: BodyKind | null): Buffer | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw invalid('body', kindOf(value), 'a string or null');
  if (kind !== 'base64') return Buffer.from(value, 'utf8');
  // Buffer.from skips what is not base64 and would send something else than was meant.
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw invalid('body', 'text that is not base64', 'base64 with its padding');
  }
  return Buffer.from(value, 'base64');
}

function parseTypedBody(fields: Fields): { content: Buffer; contentType: string | null } | null {
  const given = (['body', 'form', 'multipart'] as const).filter((name) => !isAbsent(fields[name]));
  if (given.length > 1) throw invalid(given[1] as string, `it beside "${given[0]}"`, 'one of body, form and multipart');
  if (given[0] === 'form') return encodeForm(fields.form, invalid);
  if (given[0] === 'multipart') return encodeMultipart(fields.multipart, invalid);
  const kind = parseBodyKind(fields.bodyKind);
  const content = parseBody(fields.body, kind);
  return content === null ? null : { content, contentType: kind === null ? null : contentTypes[kind] };
}

function parseTlsName(value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (typeof value === 'string') return value;
  throw invalid('tls', kindOf(value), 'the NAME of [tls.NAME] in the configuration');
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function parseTimeout(value: unknown, defaultMs: number): number {
  if (value === null || value === undefined) return defaultMs;
  if (typeof value !== 'number' || !(value >= 1 && value <= timeoutMaxMs)) {
    throw invalid('timeoutMs', show(value), `1 to ${timeoutMaxMs}`);
  }
  return Math.ceil(value);
}

function parseRedirect(value: unknown): boolean {
  if (value === undefined || value === null || value === 'follow') return true;
  if (value === 'manual') return false;
  throw invalid('redirect', show(value), '"follow" or "manual"');
}

function invalid(field: string, got: string, allowed: string): HttpFailure {
  return new HttpFailure('invalid_request', `${field}: got ${got}, allowed is ${allowed}. Nothing was sent`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

function show(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value).slice(0, 80) : kindOf(value);
}

/** Of something that is not a URL, what stands before its query; nothing of it when it may hold a password. */
function withoutSecrets(text: string): string {
  if (text.includes('@')) return 'an address that cannot be read';
  return JSON.stringify((/^[^?#]*/.exec(text)?.[0] ?? '').slice(0, 80));
}

const describedSizeMax = 200;

/** `POST http://host/path`: without user, query and fragment, which is where secrets travel. */
export function describeCall(method: string, url: URL): string {
  const text = `${method} ${url.protocol}//${url.host}${url.pathname}`;
  return text.length <= describedSizeMax ? text : `${text.slice(0, describedSizeMax - 1)}…`;
}
