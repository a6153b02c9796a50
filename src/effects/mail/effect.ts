import { readFileSync } from 'node:fs';
import { createTransport, type Transporter } from 'nodemailer';
import type SMTPPool from 'nodemailer/lib/smtp-pool';
import type { Config } from '../../config/config.ts';
import { NflowError } from '../../errors.ts';
import { EffectFailure, resultOf } from '../effect-failure.ts';
import type { ClosableEffect, EffectCall, EffectContext } from '../port.ts';
import { mailTraits, type SentMail } from './arguments.ts';
import { mailFailureOf } from './failure.ts';
import { messageOf } from './message.ts';

type Transport = Transporter<SMTPPool.SentMessageInfo, SMTPPool.Options>;

/** For the connection and the greeting; the whole call has its own time. */
const connectTimeoutMs = 10_000;
/** Without a word from the server in the middle of a message. */
const silenceTimeoutMs = 60_000;
const idleTimeoutMs = 30_000;

/**
 * The effect `mail`: hands messages to the operator's mail server, over a pool of connections. The server's address is the operator's
 * own, so that the egress guard has no say in it. Throws NflowError `invalid_config` for a `ca` that cannot be read.
 */
export function createMailEffect(config: Config['mail'] | null): ClosableEffect {
  const ca = readAuthorities(config?.ca ?? null);
  let transport: Transport | null = null;
  return {
    ...mailTraits,
    isSafe: () => false,
    perform: (call, context) =>
      resultOf(describe(call.argumentsJson), () => {
        if (config === null || config.smtp === null) {
          throw new EffectFailure('not_configured', 'no mail server is configured. Set [mail] smtp');
        }
        transport ??= createTransport(transportOptions(config, config.smtp, ca));
        return send(transport, config, call, context);
      }),
    describe,
    close() {
      transport?.close();
      transport = null;
    },
  };
}

/** The first address and how many more; the message itself is in the arguments. */
function describe(argumentsJson: string): string {
  try {
    const { to, cc, bcc } = JSON.parse(argumentsJson) as Record<string, unknown>;
    const all = [to, cc, bcc].flat().filter((one) => typeof one === 'string');
    const more = all.length > 1 ? ` and ${all.length - 1} more` : '';
    return `mail to ${String(all[0] ?? 'nobody').slice(0, 100)}${more}`;
  } catch {
    return 'mail (invalid)';
  }
}

async function send(
  transport: Transport,
  config: Config['mail'],
  { argumentsJson }: EffectCall,
  context: EffectContext,
): Promise<SentMail> {
  const message = messageOf(argumentsJson, context, config);
  try {
    const { accepted, rejected, response } = await transport.sendMail({
      ...message,
      signal: context.signal,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const addressOf = (one: string | { address: string }): string => (typeof one === 'string' ? one : one.address);
    return {
      messageId: String(message.messageId),
      accepted: accepted.map(addressOf),
      rejected: rejected.map(addressOf),
      response,
    };
  } catch (error) {
    if (context.signal.aborted) throw new EffectFailure('aborted', 'the execution has ended, or the server stops');
    throw mailFailureOf(error, `${config.smtp}:${config.port}`);
  }
}

function transportOptions(
  config: Config['mail'],
  host: string,
  ca: string | undefined,
): SMTPPool.Options & { pool: true } {
  const { port, user, from, password, tls, maxConnections } = config;
  const auth = password === null ? {} : { auth: { user: user ?? plainAddressOf(from), pass: password } };
  return {
    pool: true,
    host,
    port,
    ...auth,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(ca === undefined ? {} : { tls: { ca } }),
    maxConnections,
    // A message whose connection ended may have been taken: sending it again is for the workflow's retry to say.
    maxRequeues: 0,
    idleTimeout: idleTimeoutMs,
    connectionTimeout: connectTimeoutMs,
    greetingTimeout: connectTimeoutMs,
    socketTimeout: silenceTimeoutMs,
  };
}

/** `Shop <shop@example.com>` logs in as `shop@example.com`. */
function plainAddressOf(from: string | null): string {
  return /<([^<>]+)>\s*$/.exec(from ?? '')?.[1] ?? from ?? '';
}

function readAuthorities(path: string | null): string | undefined {
  if (path === null) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new NflowError('invalid_config', `[mail] ca: ${path} cannot be read`, {
      expected: 'the path of a file with certificates in PEM form',
      cause,
    });
  }
}
