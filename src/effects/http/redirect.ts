import type { FilledSecrets } from '../port.ts';
import type { WireResponse } from './exchange.ts';
import { HttpFailure } from './failure.ts';
import { type HttpRequest, parseUrl } from './request.ts';

/** Redirects that are followed in one call. */
export const redirectsMax = 5;

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** Headers that go on to another origin; all others may be credentials, whatever they are called, and stay behind. */
const neutralHeaders = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'idempotency-key',
  'range',
  'traceparent',
  'tracestate',
  'user-agent',
]);

const bodyHeaders = new Set(['content-encoding', 'content-language', 'content-location', 'content-type']);

/**
 * The request that an answer redirects to (RFC 9110, 15.4); null when it redirects nowhere. Throws HttpFailure `redirect` for a
 * place that is not followed, such as one that a secret in the body or the address is not bound to. Whether the place may be connected to is for the egress guard to say.
 */
export function redirectedRequest(
  request: HttpRequest,
  response: WireResponse,
  followed: number,
  filled?: FilledSecrets,
): HttpRequest | null {
  if (!redirectStatuses.has(response.status)) return null;
  const location = response.headers.find(([name]) => name === 'location')?.[1];
  if (location === undefined) return null;
  if (typeof location !== 'string') throw new HttpFailure('redirect', 'the answer redirects to several places at once');
  if (followed === redirectsMax) {
    throw new HttpFailure(
      'redirect',
      `more than ${redirectsMax} redirects. Call the final address, or set redirect to "manual"`,
    );
  }
  const url = parseLocation(location, request.url);
  if (request.url.protocol === 'https:' && url.protocol === 'http:') {
    throw new HttpFailure(
      'redirect',
      `the answer redirects from https to ${url.origin}, which anyone could read. Call it directly`,
    );
  }
  const becomesGet =
    (response.status === 303 && request.method !== 'HEAD') ||
    ((response.status === 301 || response.status === 302) && request.method === 'POST');
  const changesOrigin = url.origin !== request.url.origin;
  const headers = request.headers.filter(({ name }) => {
    const lower = name.toLowerCase();
    return !(becomesGet && bodyHeaders.has(lower)) && (!changesOrigin || neutralHeaders.has(lower));
  });
  const next: HttpRequest = {
    ...request,
    method: becomesGet ? 'GET' : request.method,
    body: becomesGet ? null : request.body,
    url,
    headers,
  };
  return filled === undefined || filled.mayGoTo(url) ? next : withoutSecrets(next, filled);
}

/** For a place that the secrets of the call may not go to: headers are left behind, what cannot be left is not sent. */
function withoutSecrets(request: HttpRequest, filled: FilledSecrets): HttpRequest {
  const holder = filled.isIn(request.url.href) ? 'address' : isInBody(request.body, filled) ? 'body' : null;
  if (holder !== null) {
    throw new HttpFailure(
      'redirect',
      `the answer redirects to ${request.url.origin}, and the ${holder} would take a secret there that is not bound to it. Nothing was sent there`,
    );
  }
  return { ...request, headers: request.headers.filter(({ value }) => !filled.isIn(value)) };
}

function isInBody(body: Buffer | null, filled: FilledSecrets): boolean {
  return body !== null && (filled.isIn(body.toString('utf8')) || filled.isIn(body.toString('latin1')));
}

function parseLocation(location: string, base: URL): URL {
  try {
    return parseUrl(location, base);
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    throw new HttpFailure(
      'redirect',
      `the answer redirects to an address that is not followed (${error.message})`,
      false,
      error,
    );
  }
}
