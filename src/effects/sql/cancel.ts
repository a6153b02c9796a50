import pg from 'pg';

/** What of a client tells where its session is; the published types do not know it. */
interface Session {
  host: string;
  port: number;
  ssl: unknown;
  processID: number | null;
  secretKey: number | null;
}

interface CancelConnection {
  stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  on(event: 'connect' | 'sslconnect' | 'end' | 'error', listener: () => void): void;
}

/** A server that does not answer is left alone after that. */
const patienceMs = 5_000;

/**
 * Asks PostgreSQL to end what a session is doing: the protocol's request on a connection of its own, encrypted as the session is.
 * Resolves when it was sent or could not be; whether there was anything to end shows in the session.
 */
export function cancelStatement(client: pg.Client): Promise<void> {
  const { host, port, ssl, processID, secretKey } = client as unknown as Session;
  if (processID === null || secretKey === null) return Promise.resolve();
  const options = { ssl: ssl || false } as pg.ConnectionConfig;
  const connection = new pg.Connection(options) as unknown as CancelConnection;
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      connection.stream.destroy();
      resolve();
    };
    const timer = setTimeout(finish, patienceMs);
    connection.on('error', finish);
    connection.on('end', finish);
    if (ssl) connection.on('connect', () => connection.requestSsl());
    connection.on(ssl ? 'sslconnect' : 'connect', () => connection.cancel(processID, secretKey));
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}
