import { isIPv4 } from 'node:net';

/** True when what listens on this host can be reached from this machine only. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/**
 * True when a `Host` header names this machine as itself. A page of another site can point its own name at 127.0.0.1 (DNS
 * rebinding) and then read from a loopback server as if it were its own; the name in `Host` gives it away.
 */
export function isLocalHostHeader(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host);
}
