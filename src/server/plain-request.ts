/**
 * Reads requests of the plain form, in which nearly all arrive: whole and alone in one packet, no header twice, nothing special.
 * It accepts only what it is sure of. Everything else is nobody's guess here: it goes to Node's parser, byte by byte as it came, so
 * no second opinion on odd requests exists that could be played against the first (request smuggling).
 */

/** A request that is complete: its body goes to the end of the packet. */
export interface PlainRequest {
  method: string;
  path: string;
  /** After the question mark; empty when there is none. */
  query: string;
  /** By lower-case name; without a prototype. */
  headers: Record<string, string>;
  bodyAt: number;
}

/**
 * The request line and the lines of the headers: tokens, visible ASCII, spaces and tabs inside of values. RFC 9112 allows more, for
 * instance bytes over 127 in values.
 */
const headPattern =
  /^(GET|POST|PUT|PATCH|DELETE) (\/[\x21\x22\x24-\x3e\x40-\x7e]*)(?:\?([\x21\x22\x24-\x7e]*))? HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)+$/;
const lengthPattern = /^[0-9]{1,10}$/;
const headEnd = Buffer.from('\r\n\r\n');

/**
 * Headers with a meaning of their own for a connection, a body's form, or what the server answers: the long way knows them. `host` must
 * be there; `connection` may only say what is so in any case.
 */
const particular = new Set([
  'content-encoding',
  'expect',
  'http2-settings',
  'idempotency-key',
  'keep-alive',
  'origin',
  'prefer',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The request that is `packet`, or null when it is not one of the plain form. */
export function readPlainRequest(packet: Buffer, urlSizeMax: number, headerSizeMax: number): PlainRequest | null {
  const headersEnd = packet.indexOf(headEnd);
  if (headersEnd === -1 || headersEnd > headerSizeMax) return null;
  const head = packet.toString('latin1', 0, headersEnd + 2);
  const line = headPattern.exec(head);
  if (line === null) return null;
  const [, method, path, query = ''] = line as unknown as [string, string, string, string?];
  if (path.length + query.length >= urlSizeMax) return null;
  const headers = readHeaders(head);
  if (headers === null) return null;
  const { host, connection, 'content-length': length } = headers;
  if (host === undefined || (connection !== undefined && connection.toLowerCase() !== 'keep-alive')) return null;
  if (length !== undefined && !lengthPattern.test(length)) return null;
  const bodyAt = headersEnd + 4;
  const bodySize = length === undefined ? 0 : Number(length);
  return bodyAt + bodySize === packet.length ? { method, path, query, headers, bodyAt } : null;
}

function readHeaders(head: string): Record<string, string> | null {
  const headers: Record<string, string> = Object.create(null);
  let at = head.indexOf('\r\n') + 2;
  while (at < head.length) {
    const colon = head.indexOf(':', at);
    const end = head.indexOf('\r\n', colon);
    const name = head.slice(at, colon).toLowerCase();
    if (particular.has(name) || headers[name] !== undefined) return null;
    headers[name] = head.slice(colon + 1, end).trim();
    at = end + 2;
  }
  return headers;
}
