import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';

/** A request as the server saw it. */
export interface SeenRequest {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  body: string;
  /** The client's port: two requests with one port came over one connection. */
  clientPort: number;
}

export interface RealServer {
  /** `http://127.0.0.1:PORT`. */
  origin: string;
  host: string;
  port: number;
  requests: SeenRequest[];
  /** Sockets open now. */
  open(): number;
  /** Sockets ever opened. */
  accepted(): number;
  /** Ends the connections that are open, as a restart would. */
  dropConnections(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

type Answer = (request: SeenRequest, response: ServerResponse) => void;

/** A real HTTP server that reads every request to its end, remembers it, and answers as `answer` says. */
export async function startHttpServer(answer: Answer, host = '127.0.0.1'): Promise<RealServer> {
  const requests: SeenRequest[] = [];
  const listener: RequestListener = (message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const seen: SeenRequest = {
        method: message.method ?? '',
        url: message.url ?? '',
        headers: message.headers,
        rawHeaders: message.rawHeaders,
        body: Buffer.concat(chunks).toString('utf8'),
        clientPort: message.socket.remotePort ?? 0,
      };
      requests.push(seen);
      answer(seen, response);
    });
  };
  // Its own keep-alive limit would close what the tests count.
  const server = createServer({ keepAliveTimeout: 0, keepAlive: true }, listener);
  return watch(server, requests, host);
}

/** A TCP server that does what `talk` says: for what HTTP servers never do. */
export async function startTcpServer(talk: (socket: Socket) => void, host = '127.0.0.1'): Promise<RealServer> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    talk(socket);
  });
  return watch(server, [], host);
}

async function watch(
  server: ReturnType<typeof createTcpServer>,
  requests: SeenRequest[],
  host: string,
): Promise<RealServer> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    host,
    port,
    requests,
    open: () => sockets.size,
    accepted: () => accepted,
    dropConnections,
    async [Symbol.asyncDispose]() {
      dropConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Waits until `condition` holds; fails with what it waited for. */
export async function until(condition: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
