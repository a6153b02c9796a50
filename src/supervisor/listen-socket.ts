import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { NflowError } from '../errors.ts';

/** What to correct when an address cannot be had. */
export type ListenSetting = typeof serverSetting | '[admin] listen';
const serverSetting = '[server] host and port';

/** A TCP socket that is bound and not yet listening: whoever inherits `fd` calls `listen({ fd })` on it. */
export interface ListenSocket {
  /** Null on Windows, where sockets are not inherited by number: the gateway binds by itself there. */
  readonly fd: number | null;
  readonly host: string;
  readonly port: number;
  close(): void;
}

interface BoundHandle {
  readonly fd: number;
  getsockname(out: { port?: number }): number;
  close(): void;
}

/** Node's own way to bind for another process: what `cluster` uses. It is not in the public types. */
interface InternalNet {
  _createServerHandle(address: string, port: number, addressType: 4 | 6): BoundHandle | number;
}

/**
 * Binds for the gateway, which does the listening. The supervisor keeps the socket open: once a gateway has called `listen`,
 * connections made while it is dead wait in the kernel's queue, and its successor answers them.
 *
 * Throws `conflict` when the port is taken, `invalid_config` when the address cannot be bound at all.
 */
export async function bindListenSocket(
  host: string,
  port: number,
  setting: ListenSetting = serverSetting,
): Promise<ListenSocket> {
  const { address, family } = await resolveHost(host, setting);
  const handle = (net as unknown as InternalNet)._createServerHandle(address, port, family === 6 ? 6 : 4);
  if (typeof handle === 'number') throw cannotBind(host, port, setting, handle);
  // libuv keeps an EADDRINUSE of bind to itself until the handle is used for something.
  const name: { port?: number } = {};
  const error = handle.getsockname(name);
  if (error !== 0) {
    handle.close();
    throw cannotBind(host, port, setting, error);
  }
  return { fd: handle.fd < 0 ? null : handle.fd, host, port: name.port ?? port, close: () => handle.close() };
}

async function resolveHost(host: string, setting: ListenSetting): Promise<{ address: string; family: number }> {
  try {
    return await lookup(host);
  } catch (cause) {
    throw new NflowError('invalid_config', `The address ${host} is not known on this machine.`, {
      got: host,
      expected: 'an address of this machine, such as 127.0.0.1 or 0.0.0.0',
      remedy: `Correct ${setting}.`,
      cause,
    });
  }
}

function cannotBind(host: string, port: number, setting: ListenSetting, systemError: number): NflowError {
  const code = getSystemErrorName(systemError);
  if (code === 'EADDRINUSE') return portTaken(host, port, setting);
  return new NflowError('invalid_config', `The server cannot listen on ${host}:${port} (${code}).`, {
    got: `${host}:${port}`,
    expected:
      code === 'EACCES'
        ? 'a port that this user may use, which is usually 1024 or above'
        : 'an address of this machine and a free port',
    remedy: `Correct ${setting}${setting === serverSetting ? ', or start with --port' : ''}.`,
  });
}

/** Also for a gateway whose `listen` fails: two sockets may be bound to one port as long as none of them listens. */
export function portTaken(host: string, port: number, setting: ListenSetting): NflowError {
  return new NflowError('conflict', `Port ${port} on ${host} is taken by another program.`, {
    got: `${host}:${port}`,
    expected: 'a free port',
    remedy: `Stop the program that listens there, or ${setting === serverSetting ? `start with --port ${port + 1}` : `correct ${setting}`}.`,
  });
}
