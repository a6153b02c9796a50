import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Config } from '../../src/config/config.ts';
import { createMailEffect } from '../../src/effects/mail/effect.ts';
import type { ClosableEffect, EffectContext } from '../../src/effects/port.ts';
import { contextOf } from './calls.ts';
import { testCertificatePem, testKeyPem } from './tls-certificate.ts';

export const mailPassword = 'right-password';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** As it came: headers, an empty line, the body. */
  source: string;
  user: string | undefined;
  isEncrypted: boolean;
}

/** An SMTP server with STARTTLS and logins; `refuse` answers with an error that has a `responseCode`. */
export class MailServer implements AsyncDisposable {
  readonly received: ReceivedMail[] = [];
  connections = 0;
  port = 0;
  readonly #server: SMTPServer;
  readonly #folder = mkdtempSync(join(tmpdir(), 'nflow-mail-'));
  readonly caFile = join(this.#folder, 'ca.pem');

  constructor(options: SMTPServerOptions = {}) {
    writeFileSync(this.caFile, testCertificatePem);
    this.#server = new SMTPServer({
      key: testKeyPem,
      cert: testCertificatePem,
      closeTimeout: 100,
      onConnect: (_session, done) => {
        this.connections++;
        done();
      },
      onAuth: ({ username, password }, _session, done) => {
        if (password === mailPassword) done(null, { user: username });
        else done(Object.assign(new Error('no such login'), { responseCode: 535 }));
      },
      onData: async (stream, session, done) => {
        const source = await text(stream);
        const { mailFrom, rcptTo } = session.envelope;
        this.received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          source,
          user: session.user === undefined ? undefined : String(session.user),
          isEncrypted: session.secure,
        });
        done(null, 'taken');
      },
      ...options,
    });
    // A client that goes away is no failure of the server.
    this.#server.on('error', () => {});
  }

  async start(): Promise<this> {
    const listening = this.#server.listen(0, '127.0.0.1') as unknown as Server;
    await once(listening, 'listening');
    this.port = (listening.address() as { port: number }).port;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#folder, { recursive: true });
  }
}

export function mailConfig(
  server: { port: number; caFile?: string },
  change: Partial<Config['mail']> = {},
): Config['mail'] {
  return {
    smtp: '127.0.0.1',
    port: server.port,
    user: null,
    password: mailPassword,
    from: 'Shop <shop@example.com>',
    tls: 'starttls',
    ca: server.caFile ?? null,
    maxConnections: 2,
    recipientsMax: 5,
    bytesMax: 100_000,
    ...change,
  };
}

export function mailEffect(config: Config['mail'] | null): ClosableEffect & Disposable {
  const effect = createMailEffect(config);
  return Object.assign(effect, { [Symbol.dispose]: () => void effect.close() });
}

export const plainMail = { to: 'ana@example.com', subject: 'Your order', text: 'It is on its way.' };

export interface MailOutcome {
  ok: boolean;
  [key: string]: unknown;
}

export async function sendMail(
  effect: ClosableEffect,
  change: object = {},
  context: EffectContext = contextOf(),
): Promise<MailOutcome> {
  const argumentsJson = JSON.stringify({ ...plainMail, ...change });
  const { ok, json } = await effect.perform({ kind: 'mail', argumentsJson }, context);
  return { ...(JSON.parse(json) as Record<string, unknown>), ok };
}

/** A server that speaks as it is told: `answer` gets each line of the client. */
export async function scriptedServer(
  greeting: string | null,
  answer: (line: string, socket: Socket) => string | null,
): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    if (greeting !== null) socket.write(`${greeting}\r\n`);
    socket.on('data', (data) => {
      for (const line of data.toString('utf8').split('\r\n').filter(Boolean)) {
        const said = answer(line, socket);
        if (said !== null && socket.writable) socket.write(`${said}\r\n`);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
