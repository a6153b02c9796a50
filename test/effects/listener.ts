import { createServer, type Server } from 'node:http';

/** A connection to one of this machine's addresses, or what came over it. */
export interface Listener {
  /** Connections so far, by the address that was connected to. */
  accepted: Record<string, number>;
  /** `ADDRESS GET http-target`, as the request line had it. */
  requests: string[];
  close(): void;
}

/**
 * Real HTTP listeners on every address of the network namespace, of both families. They answer `from ADDRESS`; `/redirect?to=URL`
 * redirects there.
 */
export async function listenEverywhere(port: number): Promise<Listener> {
  const accepted: Record<string, number> = {};
  const requests: string[] = [];
  const servers: Server[] = [];
  for (const host of ['0.0.0.0', '::']) {
    const server = createServer((request, response) => {
      const address = request.socket.localAddress ?? '';
      requests.push(`${address} ${request.method} ${request.url}`);
      const to = new URL(request.url ?? '/', 'http://x').searchParams.get('to');
      if (to === null) response.end(`from ${address}`);
      // As bytes of UTF-8, which no header should have and hostile servers send.
      else response.writeHead(302, { location: Buffer.from(to).toString('latin1') }).end();
    });
    server.on('connection', (socket) => {
      const address = socket.localAddress ?? '';
      accepted[address] = (accepted[address] ?? 0) + 1;
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, ipv6Only: true }, resolve);
    });
    servers.push(server);
  }
  return {
    accepted,
    requests,
    close() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}
