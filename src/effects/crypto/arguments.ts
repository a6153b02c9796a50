import type { EffectTraits } from '../../protocol/effect-traits.ts';

export const cryptoTraits: EffectTraits = { kind: 'crypto', resource: null, isCacheable: true, isConfined: true };

export const digestAlgorithms = ['sha256', 'sha384', 'sha512', 'sha1'] as const;
export const digestEncodings = ['hex', 'base64', 'base64url'] as const;
export const dataEncodings = ['text', 'hex', 'base64', 'base64url'] as const;
export const jwtAlgorithms = ['HS256', 'HS384', 'HS512', 'RS256', 'ES256'] as const;
export const webhookSchemes = ['plain', 'github', 'stripe', 'slack', 'standard'] as const;
export const cryptoOperations = ['hash', 'hmac', 'signJwt', 'verifyJwt', 'verifyWebhook'] as const;

export type DigestAlgorithm = (typeof digestAlgorithms)[number];
export type DigestEncoding = (typeof digestEncodings)[number];
export type DataEncoding = (typeof dataEncodings)[number];
export type JwtAlgorithm = (typeof jwtAlgorithms)[number];
export type WebhookScheme = (typeof webhookSchemes)[number];

/** The arguments of the effect `crypto`, as code and nodes send them. What is left out has its default. */
export type CryptoArguments =
  | {
      operation: 'hash';
      data: string;
      dataEncoding?: DataEncoding;
      algorithm?: DigestAlgorithm;
      encoding?: DigestEncoding;
    }
  | {
      operation: 'hmac';
      data: string;
      dataEncoding?: DataEncoding;
      key: string;
      algorithm?: DigestAlgorithm;
      encoding?: DigestEncoding;
    }
  | {
      operation: 'signJwt';
      claims: Record<string, unknown>;
      key: string;
      algorithm?: JwtAlgorithm;
      keyId?: string;
      expiresInMs?: number;
    }
  | {
      operation: 'verifyJwt';
      token: string;
      key: string;
      /** Those that are accepted: never left to what the token says. */
      algorithms: JwtAlgorithm[];
      issuer?: string;
      audience?: string;
      /** How far clocks may differ. */
      toleranceMs?: number;
    }
  | {
      operation: 'verifyWebhook';
      scheme: WebhookScheme;
      /** The body as it arrived (`rawBody`). */
      payload: string;
      /** Names in lower case, as in `input.headers`. */
      headers: Record<string, unknown>;
      key: string;
      /** Of `plain`: the header that holds the signature. */
      signatureHeader?: string;
      algorithm?: DigestAlgorithm;
      encoding?: DigestEncoding;
      /** How old a signature may be, where the scheme has a time; as far ahead it may be too. */
      toleranceMs?: number;
    };

/** What a check says. `reason` tells why it is not valid, for the workflow and its history; a client is better told nothing. */
export interface JwtCheck {
  valid: boolean;
  reason: 'malformed' | 'algorithm' | 'signature' | 'expired' | 'not_yet_valid' | 'issuer' | 'audience' | null;
  header: Record<string, unknown> | null;
  claims: Record<string, unknown> | null;
}

export interface WebhookCheck {
  valid: boolean;
  reason: 'missing' | 'malformed' | 'too_old' | 'signature' | null;
}
