/** The door of administration: each route's access (access-table.ts) is checked here, before anything else looks at a request. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isSameToken } from '../config/admin-token.ts';
import { effectHeader } from '../protocol/effect-header.ts';
import { type Access, accessTable } from './access-table.ts';
import { isCrossOrigin } from './cross-origin.ts';
import { isLocalHostHeader } from './local-host-header.ts';
import { refusal } from './problem.ts';
import type { ProxyTrust } from './proxy-trust.ts';
import { RequestRefused } from './request-refused.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
}

export interface AdminDoor {
  /** What `ensureAdminToken` gave. */
  token: string;
  /** Reading needs no token, for requests that come from this machine itself. */
  readsAreOpen: boolean;
  proxies: ProxyTrust;
}

/**
 * Gives every route that is registered from here on its access, and checks it. Registering one that the table does not have
 * throws. `door` is null where only public routes exist.
 */
export function guardRoutes(
  app: FastifyInstance,
  door: AdminDoor | null,
  table: Readonly<Record<string, Access>> = accessTable,
): void {
  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat();
    const names = methods.map((method) => `${method === 'HEAD' ? 'GET' : method} ${route.url}`);
    const accesses = new Set(names.map((name) => (Object.hasOwn(table, name) ? table[name] : undefined)));
    const [access] = accesses;
    if (accesses.size !== 1 || access === undefined) {
      throw new Error(`${names.join(', ')}: not in the table of src/server/access-table.ts, or not alike there`);
    }
    if (door === null && access !== 'public')
      throw new Error(`${names.join(', ')}: administration is not answered here`);
    route.config = { ...route.config, access };
  });
  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config;
    if (door !== null && access !== undefined && access !== 'public') assertAllowed(request, access, door);
  });
}

/** Throws RequestRefused with 401 or 403. */
function assertAllowed(request: FastifyRequest, access: 'read' | 'write', door: AdminDoor): void {
  const { headers } = request;
  // Reading may be open on loopback, and a workflow whose egress allows this machine is not its operator.
  if (headers[effectHeader] !== undefined) throw forbidden('Administration is not answered to workflows.');
  if (isCrossOrigin(request.method, headers, door.proxies.hostOf(request.raw))) {
    throw forbidden('Administration is not answered to pages of other sites.');
  }
  const [, given] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (given !== undefined && isSameToken(given, door.token)) return;
  if (access === 'write' || !door.readsAreOpen || door.proxies.isForwarded(request.raw)) {
    throw unauthorized(
      given === undefined
        ? 'Send the admin token, which is in `admin-token` of the data folder, as `Authorization: Bearer TOKEN`.'
        : 'The token is not the admin token of this server, which is in `admin-token` of its data folder.',
    );
  }
  if (!isLocalHostHeader(headers.host)) {
    throw forbidden('Without a token administration is answered under the names localhost, 127.0.0.1 and [::1] only.');
  }
}

function forbidden(detail: string): RequestRefused {
  return new RequestRefused(refusal('forbidden', detail));
}

function unauthorized(detail: string): RequestRefused {
  return new RequestRefused(refusal('unauthorized', detail), { 'www-authenticate': 'Bearer realm="nflow"' });
}
