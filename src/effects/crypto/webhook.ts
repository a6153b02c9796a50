import { createHmac, timingSafeEqual } from 'node:crypto';
import { invalidCall } from '../effect-failure.ts';
import type { DigestAlgorithm, DigestEncoding, WebhookCheck, WebhookScheme } from './arguments.ts';

/**
 * Checks that a body was signed with a shared key, as those who send webhooks do it:
 *
 *   plain      the header that is named holds the digest of the body, maybe after `sha256=`
 *   github     x-hub-signature-256: sha256=HEX of the body; no time
 *   stripe     stripe-signature: t=SECONDS,v1=HEX of `SECONDS.body`
 *   slack      x-slack-signature: v0=HEX of `v0:SECONDS:body`; x-slack-request-timestamp
 *   standard   webhook-signature: v1,BASE64 of `ID.SECONDS.body`; webhook-id, webhook-timestamp (standardwebhooks.com)
 */
export interface WebhookVerification {
  scheme: WebhookScheme;
  payload: string;
  headers: Record<string, unknown>;
  key: string;
  signatureHeader: string | null;
  algorithm: DigestAlgorithm;
  encoding: DigestEncoding;
  toleranceMs: number;
}

/** What a scheme finds in the headers. */
interface Signed {
  text: string;
  /** Any of them will do: while a key is replaced, both are sent. */
  signatures: string[];
  /** Null for a scheme without a time. */
  atSeconds: string | null;
  algorithm: DigestAlgorithm;
  encoding: DigestEncoding;
  key: string | Buffer;
}

export function verifyWebhook(verification: WebhookVerification, nowMs: number): WebhookCheck {
  if (verification.key === '') throw invalidCall('key', 'an empty text', 'a key');
  const signed = readSigned(verification);
  if (signed === null) return { valid: false, reason: 'missing' };
  const { atSeconds, signatures, text, key, algorithm, encoding } = signed;
  if (atSeconds !== null) {
    if (!/^\d{1,12}$/.test(atSeconds)) return { valid: false, reason: 'malformed' };
    if (Math.abs(nowMs - Number(atSeconds) * 1000) > verification.toleranceMs) {
      return { valid: false, reason: 'too_old' };
    }
  }
  const expected = Buffer.from(createHmac(algorithm, key).update(text).digest(encoding));
  const isValid = signatures.some((signature) => isSame(Buffer.from(signature), expected));
  return { valid: isValid, reason: isValid ? null : 'signature' };
}

function isSame(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function readSigned(verification: WebhookVerification): Signed | null {
  const { scheme, payload, headers, key, algorithm, encoding } = verification;
  const header = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  const hex = { algorithm: 'sha256', encoding: 'hex', key } as const;
  switch (scheme) {
    case 'plain': {
      const name = verification.signatureHeader;
      if (name === null) throw invalidCall('signatureHeader', 'nothing', 'the header of the signature');
      const signature = header(name.toLowerCase()).replace(new RegExp(`^${algorithm}=`), '');
      return signature === ''
        ? null
        : { text: payload, signatures: [signature], atSeconds: null, algorithm, encoding, key };
    }
    case 'github': {
      const signatures = withPrefix([header('x-hub-signature-256')], 'sha256=');
      return signatures.length === 0 ? null : { ...hex, text: payload, signatures, atSeconds: null };
    }
    case 'stripe': {
      const parts = header('stripe-signature').split(',');
      const [atSeconds] = withPrefix(parts, 't=');
      const signatures = withPrefix(parts, 'v1=');
      if (atSeconds === undefined || signatures.length === 0) return null;
      return { ...hex, text: `${atSeconds}.${payload}`, signatures, atSeconds };
    }
    case 'slack': {
      const atSeconds = header('x-slack-request-timestamp');
      const signatures = withPrefix([header('x-slack-signature')], 'v0=');
      if (atSeconds === '' || signatures.length === 0) return null;
      return { ...hex, text: `v0:${atSeconds}:${payload}`, signatures, atSeconds };
    }
    case 'standard': {
      const atSeconds = header('webhook-timestamp');
      const signatures = withPrefix(header('webhook-signature').split(' '), 'v1,');
      if (atSeconds === '' || header('webhook-id') === '' || signatures.length === 0) return null;
      const text = `${header('webhook-id')}.${atSeconds}.${payload}`;
      const bytes = Buffer.from(key.replace(/^whsec_/, ''), 'base64');
      return { text, signatures, atSeconds, algorithm: 'sha256', encoding: 'base64', key: bytes };
    }
  }
}

function withPrefix(texts: readonly string[], prefix: string): string[] {
  return texts.flatMap((text) => (text.trim().startsWith(prefix) ? [text.trim().slice(prefix.length)] : []));
}
