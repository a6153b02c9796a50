import { createHash, createHmac } from 'node:crypto';
import { CallArguments } from '../call-arguments.ts';
import { invalidCall, resultOf } from '../effect-failure.ts';
import type { ClosableEffect } from '../port.ts';
import {
  cryptoOperations,
  cryptoTraits,
  dataEncodings,
  digestAlgorithms,
  digestEncodings,
  jwtAlgorithms,
  webhookSchemes,
} from './arguments.ts';
import { signJwt, verifyJwt } from './jwt.ts';
import { verifyWebhook } from './webhook.ts';

const dayMs = 86_400_000;

/**
 * The effect `crypto`: digests, signatures, tokens. It reaches nothing outside; it is an effect because keys that are secrets are filled
 * in by the gateway only, and because a run need not carry the code. What it works on is bounded by the size of arguments.
 * @param nowMs the wall clock, for the times in tokens and signatures.
 */
export function createCryptoEffect(nowMs: () => number = Date.now): ClosableEffect {
  return {
    ...cryptoTraits,
    isSafe: () => true,
    perform: (call) => resultOf(describe(call.argumentsJson), () => compute(call.argumentsJson, nowMs())),
    describe,
    close() {},
  };
}

/** Nothing but the operation: everything else may be a secret. */
function describe(argumentsJson: string): string {
  try {
    return `crypto ${new CallArguments(argumentsJson).oneOf('operation', cryptoOperations)}`;
  } catch {
    return 'crypto (invalid)';
  }
}

function compute(argumentsJson: string, nowMs: number): unknown {
  const given = new CallArguments(argumentsJson);
  switch (given.oneOf('operation', cryptoOperations)) {
    case 'hash':
      return createHash(given.oneOf('algorithm', digestAlgorithms, 'sha256'))
        .update(dataOf(given))
        .digest(given.oneOf('encoding', digestEncodings, 'hex'));
    case 'hmac':
      return createHmac(given.oneOf('algorithm', digestAlgorithms, 'sha256'), given.text('key'))
        .update(dataOf(given))
        .digest(given.oneOf('encoding', digestEncodings, 'hex'));
    case 'signJwt':
      return signJwt(
        {
          claims: given.record('claims'),
          key: given.text('key'),
          algorithm: given.oneOf('algorithm', jwtAlgorithms, 'HS256'),
          keyId: given.optionalText('keyId'),
          expiresInMs: given.number('expiresInMs', 0, 3650 * dayMs, 0),
        },
        nowMs,
      );
    case 'verifyJwt':
      return verifyJwt(
        {
          token: given.text('token'),
          key: given.text('key'),
          algorithms: given.someOf('algorithms', jwtAlgorithms),
          issuer: given.optionalText('issuer'),
          audience: given.optionalText('audience'),
          toleranceMs: given.number('toleranceMs', 0, dayMs, 0),
        },
        nowMs,
      );
    case 'verifyWebhook':
      return verifyWebhook(
        {
          scheme: given.oneOf('scheme', webhookSchemes),
          payload: given.text('payload'),
          headers: given.record('headers'),
          key: given.text('key'),
          signatureHeader: given.optionalText('signatureHeader'),
          algorithm: given.oneOf('algorithm', digestAlgorithms, 'sha256'),
          encoding: given.oneOf('encoding', digestEncodings, 'hex'),
          toleranceMs: given.number('toleranceMs', 0, dayMs, 300_000),
        },
        nowMs,
      );
  }
}

function dataOf(given: CallArguments): Buffer {
  const data = given.text('data');
  const encoding = given.oneOf('dataEncoding', dataEncodings, 'text');
  if (encoding === 'text') return Buffer.from(data, 'utf8');
  const bytes = Buffer.from(data, encoding);
  // Node skips what does not belong there: something else than was meant would be digested.
  const digits = encoding === 'hex' ? data.toLowerCase() : data.replace(/=+$/, '');
  if (bytes.toString(encoding).replace(/=+$/, '') !== digits) {
    throw invalidCall('data', `text that is not ${encoding}`, `${encoding}, as dataEncoding says`);
  }
  return bytes;
}
