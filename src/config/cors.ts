/** What is the same for `[cors]` and for the `cors` of a trigger. */

/** For what a trigger's `cors` leaves out, and for `[cors]`. */
export const corsDefaults = {
  headers: ['content-type', 'authorization'] as readonly string[],
  maxAgeMs: 10 * 60_000,
} as const;

/** Browsers forget sooner. */
export const corsMaxAgeMsMax = 24 * 60 * 60_000;

export const corsOriginExpected = 'an origin such as "https://app.example", or "*" for every one';
export const corsHeaderExpected = 'the name of a header, or "*" for every one';
export const corsCredentialsExpected = 'false, or origins by name: browsers send no cookies to "*"';

/** True for `*` and for an origin as browsers send it: scheme, host in lower case, and the port where it is not the scheme's own. */
export function isCorsOrigin(text: string): boolean {
  if (text === '*') return true;
  if (text.includes('*')) return false;
  if (/^https?:/.test(text)) return URL.canParse(text) && new URL(text).origin === text;
  // Of applications that are not on the web: capacitor://localhost, chrome-extension://….
  return /^[a-z][a-z0-9+.-]{0,50}:\/\/[a-z0-9.-]{1,253}(:[0-9]{1,5})?$/.test(text);
}

/** True for `*` and for the name of a header (RFC 9110, 5.6.2). */
export function isCorsHeader(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/.test(text);
}
