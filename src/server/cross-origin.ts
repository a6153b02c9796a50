import type { IncomingHttpHeaders } from 'node:http';

/**
 * True for a request that a browser makes for a page of another origin (CSRF), as far as its headers tell: `Sec-Fetch-Site`
 * where the browser sends it, else `Origin` against `host`, the address as the browser knows it. Following a link to here is not one.
 * Clients that are not browsers send neither header.
 */
export function isCrossOrigin(method: string, headers: IncomingHttpHeaders, host: string | undefined): boolean {
  const site = headers['sec-fetch-site'];
  const isReading = method === 'GET' || method === 'HEAD';
  if (site === 'same-origin' || site === 'none') return false;
  if (site !== undefined) {
    return !(isReading && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document');
  }
  const { origin } = headers;
  if (origin === undefined) return false;
  // `null` is the origin of sandboxed pages, those of workflows among them.
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}
