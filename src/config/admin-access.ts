/** Where administration is answered and to whom: what follows from `[server]` and `[admin]`, worked out in one place. */
import type { Config } from './config.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { isLoopbackHost } from './loopback.ts';

export interface AdminAccess {
  /** A port of its own; null: administration is on the main port. */
  listen: ListenAddress | null;
  /**
   * Reading needs no token: only this machine can reach administration, and nothing in front of the server brings others in.
   * Writing always needs it.
   */
  readsAreOpen: boolean;
}

/** Of a configuration that was checked: `adminContradictions` finds what is wrong with one. */
export function adminAccessOf({ server, admin }: Pick<Config, 'server' | 'admin'>): AdminAccess {
  const listen = admin.listen === null ? null : parseListenAddress(admin.listen);
  const readsAreOpen =
    isLoopbackHost(server.host) &&
    !admin.samePort &&
    server.trustProxy.length === 0 &&
    (listen === null || isLoopbackHost(listen.host));
  return { listen, readsAreOpen };
}

export interface AdminContradiction {
  /** `section.key` */
  id: string;
  got: string;
  expected: string;
}

export function adminContradictions({ server, admin }: Pick<Config, 'server' | 'admin'>): AdminContradiction[] {
  const { host, port } = server;
  if (admin.listen === null) {
    if (isLoopbackHost(host) || admin.samePort) return [];
    const expected =
      'a loopback address such as 127.0.0.1, or [admin] listen = "127.0.0.1:9090" to keep administration on an address of its own, or [admin] same_port = true to show it, behind its token, to whoever reaches this one';
    return [{ id: 'server.host', got: host, expected }];
  }
  const own = parseListenAddress(admin.listen) as ListenAddress;
  if (admin.samePort) {
    return [
      { id: 'admin.same_port', got: 'true', expected: 'false, or no admin.listen: administration is in one place' },
    ];
  }
  if (own.port !== 0 && own.port === port && own.host === host) {
    return [{ id: 'admin.listen', got: admin.listen, expected: 'another address than that of [server] host and port' }];
  }
  return [];
}
