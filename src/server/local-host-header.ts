/**
 * True when a `Host` header names this machine as itself. A page of another site can point its own name at 127.0.0.1 (DNS
 * rebinding) and then read from a loopback server as if it were its own; the name in `Host` gives it away.
 */
export function isLocalHostHeader(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host);
}
