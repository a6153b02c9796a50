import { connect, type Socket } from 'node:net';
import type { CheckedTarget } from './egress-guard.ts';
import { errorCodeOf, HttpFailure } from './failure.ts';

/** `[http_client] proxy`: the operator's own, so that its address is not for the egress guard to judge. */
export interface ProxyServer {
  host: string;
  port: number;
  /** `user:password`; null without. */
  credentials: string | null;
}

/** Bytes of the proxy's answer to CONNECT. */
const answerSizeMax = 16 * 1024;
const keepAliveDelayMs = 60_000;

export function proxyOf(text: string | null): ProxyServer | null {
  if (text === null) return null;
  const { hostname, port, username, password } = new URL(text);
  const credentials = username === '' ? null : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port), credentials };
}

/**
 * A way through the proxy to one of the target's checked addresses. CONNECT names the address, never the name: the proxy would look
 * it up again, and could come to another one. Rejects with HttpFailure `connect` or `signal.reason`.
 */
export async function openTunnel(
  proxy: ProxyServer,
  target: CheckedTarget,
  signal: AbortSignal,
): Promise<{ socket: Socket; address: string }> {
  let failure: unknown = null;
  for (const address of target.addresses) {
    try {
      return { socket: await tunnelTo(proxy, address, target.port, signal), address };
    } catch (error) {
      if (signal.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}

function tunnelTo(proxy: ProxyServer, address: string, port: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const authority = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const socket = connect({
    host: proxy.host,
    port: proxy.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs,
  });
  let answer = Buffer.alloc(0);
  const settle = (): void => {
    socket.off('data', onData).off('error', onError).off('close', onClose);
    signal.removeEventListener('abort', onAbort);
    // Whoever owns the socket next listens to errors; until then one must not end the process.
    socket.on('error', () => {});
  };
  const giveUp = (reason: unknown): void => {
    settle();
    socket.destroy();
    reject(reason);
  };
  const onAbort = (): void => giveUp(signal.reason);
  const onError = (error: unknown): void =>
    giveUp(proxyFailure(proxy, authority, `the connection failed (${errorCodeOf(error)})`, error));
  const onClose = (): void => giveUp(proxyFailure(proxy, authority, 'it closed the connection without an answer'));
  const onData = (chunk: Buffer): void => {
    answer = Buffer.concat([answer, chunk]);
    const end = answer.indexOf('\r\n\r\n');
    if (end === -1) {
      if (answer.length > answerSizeMax) giveUp(proxyFailure(proxy, authority, 'its answer is too large'));
      return;
    }
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer.toString('latin1', 0, 64))?.[1] ?? '';
    if (!status.startsWith('2')) {
      const said = status === '' ? 'it does not speak HTTP' : `it answered ${status} to CONNECT`;
      giveUp(proxyFailure(proxy, authority, said));
    } else if (answer.length > end + 4) {
      // In HTTP and TLS the client speaks first: who speaks before is not who was asked for.
      giveUp(proxyFailure(proxy, authority, 'something came through it before anything was sent'));
    } else {
      settle();
      resolve(socket);
    }
  };
  socket.on('data', onData).once('error', onError).once('close', onClose);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => {
    const credentials =
      proxy.credentials === null
        ? ''
        : `Proxy-Authorization: Basic ${Buffer.from(proxy.credentials).toString('base64')}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`);
  });
  return promise;
}

function proxyFailure(proxy: ProxyServer, authority: string, said: string, cause?: unknown): HttpFailure {
  return new HttpFailure(
    'connect',
    `no way to ${authority} through the proxy ${proxy.host}:${proxy.port} ([http_client] proxy): ${said}`,
    true,
    cause,
  );
}
