import { adminTokenPath, readAdminToken } from './admin-token.ts';
import { isLoopbackHost } from './loopback.ts';

/** Where the commands that talk to a running server find it. */
export interface ClientSettings {
  /** Base address without a trailing slash. */
  server: string;
  /** Sent as a bearer token; null when there is none. */
  token: string | null;
}

/**
 * `--server` over `NFLOW_SERVER` over the default address. The token is `NFLOW_TOKEN`, else, for a server on this machine, the admin
 * token in the data folder: a server elsewhere is not that folder's, and must not be sent its token.
 * Throws `invalid_config` when that file is not as it must be (`readAdminToken`).
 */
export function readClientSettings(
  serverFlag: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
  dataDir = '.nflow',
): ClientSettings {
  const server = (serverFlag ?? (env.NFLOW_SERVER || 'http://127.0.0.1:8080')).replace(/\/+$/, '');
  return { server, token: env.NFLOW_TOKEN || (isHere(server) ? tokenOf(dataDir) : null) };
}

function isHere(server: string): boolean {
  return URL.canParse(server) && isLoopbackHost(new URL(server).hostname);
}

function tokenOf(dataDir: string): string | null {
  try {
    return readAdminToken(adminTokenPath(dataDir));
  } catch (error) {
    // Another user's server: without a token one may still read.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}
