/**
 * A connection that is read past Node's streams. For each read a stream has 64 KiB allocated and a view of them made, to be thrown away,
 * which costs the allocation and the garbage collector's time. Here all connections read into one buffer.
 *
 * Node offers this to sockets that connect (`onread`), not to those that a server accepts, so the accepted socket's handle is given to a
 * new one. That uses four members that Node does not document; the pinned Node has them, and where they are missing
 * the accepted socket is read as a stream. `direct-socket.reading.test.ts` is the watch over it.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';

/** Gets what was read. The packet is good until it returns. */
export type OnPacket = (packet: Buffer) => void;

export interface DirectSocket {
  readonly socket: Socket;
  /** From the next packet on. Null: what is read goes into the socket's stream, as with any other socket. */
  onPacket: OnPacket | null;
}

/** What both ends of a hand-over have, beside what Node documents. */
interface Internals {
  _handle: { useUserBuffer?: unknown } | null;
  /** Whose connections are counted. */
  _server?: unknown;
  server?: unknown;
}

const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** Takes over a socket that was just accepted, before anybody listens to it. The old object is not to be used any more. */
export function takeOver(accepted: Socket): DirectSocket {
  const from = accepted as Socket & Internals;
  if (typeof from._handle?.useUserBuffer !== 'function' || from._server === undefined) return asStream(accepted);
  const direct: { socket: Socket; onPacket: OnPacket | null } = { socket: accepted, onPacket: null };
  const options = {
    handle: from._handle,
    allowHalfOpen: true,
    onread: {
      buffer: readBuffer,
      callback: (length: number, buffer: Uint8Array): boolean => {
        if (direct.onPacket === null) return direct.socket.push(Buffer.from(buffer.subarray(0, length)));
        direct.onPacket(readBuffer.subarray(0, length));
        return true;
      },
    },
  };
  const socket = new Socket(options as unknown as SocketConstructorOpts) as Socket & Internals;
  socket.server = from.server;
  socket._server = from._server;
  from._handle = null;
  from._server = null;
  direct.socket = socket;
  return direct;
}

function asStream(socket: Socket): DirectSocket {
  let onPacket: OnPacket | null = null;
  const listener = (packet: Buffer): void => onPacket?.(packet);
  return {
    socket,
    get onPacket() {
      return onPacket;
    },
    set onPacket(next) {
      if ((next === null) !== (onPacket === null)) socket[next === null ? 'off' : 'on']('data', listener);
      onPacket = next;
    },
  };
}
