import { connect as connectTcp, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { addressKey, parseIpAddress } from '../../config/ip-address.ts';
import type { CheckedTarget } from './egress-guard.ts';
import { errorCodeOf, HttpFailure } from './failure.ts';
import { openTunnel, type ProxyServer } from './proxy-tunnel.ts';

/** Time for one of several addresses before the next is tried; Node's 250 ms gives up on far but healthy ones. */
const attemptTimeoutMs = 1_000;
const keepAliveDelayMs = 60_000;

/** An established connection, TLS included, and the address it goes to. */
export interface PinnedConnection {
  socket: Socket;
  /** `addressKey` of the peer: one of the target's. */
  addressKey: string;
}

/**
 * Connects to one of the target's checked addresses, and to no other: nothing is looked up here. The certificate is checked
 * against the name that the URL has. Rejects with HttpFailure `connect` (also when TCP and TLS together take longer than
 * `timeoutMs`) or `tls`, or with `signal.reason`.
 */
export async function connectPinned(
  target: CheckedTarget,
  timeoutMs: number,
  signal: AbortSignal,
  proxy: ProxyServer | null = null,
): Promise<PinnedConnection> {
  signal.throwIfAborted();
  const ending = new AbortController();
  const onAbort = () => ending.abort(signal.reason);
  const timer = setTimeout(() => ending.abort(slowFailure(target, timeoutMs)), timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await connectUntil(target, ending.signal, proxy);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

async function connectUntil(
  target: CheckedTarget,
  signal: AbortSignal,
  proxy: ProxyServer | null,
): Promise<PinnedConnection> {
  const plain = proxy === null ? await connectDirectly(target, signal) : await connectThrough(proxy, target, signal);
  return target.secure ? { ...plain, socket: await speakTls(plain.socket, target, signal) } : plain;
}

async function connectThrough(
  proxy: ProxyServer,
  target: CheckedTarget,
  signal: AbortSignal,
): Promise<PinnedConnection> {
  const { socket, address } = await openTunnel(proxy, target, signal);
  const peer = parseIpAddress(address);
  return { socket, addressKey: peer === null ? '' : addressKey(peer) };
}

async function connectDirectly(target: CheckedTarget, signal: AbortSignal): Promise<PinnedConnection> {
  const tcp = connectTcp({
    ...whereTo(target),
    port: target.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs,
  });
  await untilEvent(tcp, 'connect', signal, (error) => connectFailure(target, error));
  const peer = parseIpAddress(tcp.remoteAddress ?? '');
  const key = peer === null ? '' : addressKey(peer);
  if (!target.addressKeys.has(key)) {
    tcp.destroy();
    const connected = tcp.remoteAddress ?? 'an address that is gone';
    throw new HttpFailure('connect', `the connection ended up at ${connected}, which was not checked`, true);
  }
  return { socket: tcp, addressKey: key };
}

async function speakTls(socket: Socket, target: CheckedTarget, signal: AbortSignal): Promise<Socket> {
  const { ca, cert, key, config } = target.tls ?? {};
  const name = config?.serverName ?? target.hostname;
  const tls = connectTls({
    socket,
    ca,
    cert,
    key,
    minVersion: config?.minVersion,
    // A name goes into SNI; an address may not (RFC 6066) and is compared with the certificate's addresses.
    ...(parseIpAddress(name) === null ? { servername: name } : { host: name }),
    ALPNProtocols: ['http/1.1'],
    // Said although it is the default: NODE_TLS_REJECT_UNAUTHORIZED must not turn the check off.
    rejectUnauthorized: true,
  });
  await untilEvent(tls, 'secureConnect', signal, (error) => tlsFailure(target, error));
  return tls;
}

function whereTo(target: CheckedTarget): Omit<TcpNetConnectOpts, 'port'> {
  const [only, ...others] = target.addresses;
  if (only !== undefined && others.length === 0) return { host: only };
  const answers = target.addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return {
    host: target.hostname,
    lookup: (_hostname, _options, answer) => answer(null, answers),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptTimeoutMs,
  };
}

/** Resolves at the event. Destroys the socket when the signal is aborted or an error or the end of the socket comes first. */
function untilEvent(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  failure: (error: unknown) => HttpFailure,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      socket.off(event, onEvent).off('error', onError).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      // Whoever owns the socket next listens to errors; until then one must not end the process.
      socket.on('error', ignoreError);
      finish();
    };
    const onEvent = () => settle(resolve);
    const giveUp = (reason: unknown) =>
      settle(() => {
        socket.destroy();
        reject(reason);
      });
    const onError = (error: unknown) => giveUp(failure(error));
    const onClose = () => giveUp(failure(new ClosedEarly()));
    const onAbort = () => giveUp(signal.reason);
    socket.once(event, onEvent).once('error', onError).once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

class ClosedEarly extends Error {
  constructor() {
    super('the other side closed the connection');
    this.name = 'ClosedEarly';
  }
}

function ignoreError(): void {}

function slowFailure(target: CheckedTarget, timeoutMs: number): HttpFailure {
  return new HttpFailure(
    'connect',
    `no connection to ${addressesOf(target)} port ${target.port} within ${timeoutMs} ms ([http_client] connect_timeout). ` +
      'Check that the service is up and that no firewall swallows the packets',
    true,
  );
}

function addressesOf(target: CheckedTarget): string {
  return target.addresses.map((address) => (address.includes(':') ? `[${address}]` : address)).join(', ');
}

function connectFailure(target: CheckedTarget, error: unknown): HttpFailure {
  const tried = addressesOf(target);
  const code = errorCodeOf(error instanceof AggregateError ? (error.errors[0] ?? error) : error);
  const why =
    code === 'ECONNREFUSED'
      ? 'nothing listens there (ECONNREFUSED). Check the port, and that the service runs'
      : `the connection failed (${code})`;
  return new HttpFailure('connect', `no connection to ${tried} port ${target.port}: ${why}`, true, error);
}

function tlsFailure(target: CheckedTarget, error: unknown): HttpFailure {
  const said = error instanceof Error ? error.message : String(error);
  const brokeOff = error instanceof ClosedEarly || errorCodeOf(error) === 'ECONNRESET';
  return new HttpFailure(
    'tls',
    `no secure connection to ${target.hostname} port ${target.port} (${errorCodeOf(error)}: ${said}). ` +
      `Check that the service speaks TLS there and that its certificate is valid for ${target.hostname}`,
    brokeOff,
    error,
  );
}
