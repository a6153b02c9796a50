import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { isRecord } from '../call-arguments.ts';
import { invalidCall } from '../effect-failure.ts';
import type { JwtAlgorithm, JwtCheck } from './arguments.ts';

/** JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, with the algorithms of RFC 7518 that are worth offering. */

/** RSA keys that are shorter are broken or soon will be (RFC 7518, 3.3). */
const rsaBitsMin = 2048;

export interface JwtSigning {
  claims: Record<string, unknown>;
  key: string;
  algorithm: JwtAlgorithm;
  keyId: string | null;
  /** 0 for a token without an end. */
  expiresInMs: number;
}

export function signJwt({ claims, key, algorithm, keyId, expiresInMs }: JwtSigning, nowMs: number): string {
  const issuedAt = Math.floor(nowMs / 1000);
  const header = keyId === null ? { alg: algorithm, typ: 'JWT' } : { alg: algorithm, typ: 'JWT', kid: keyId };
  const times = expiresInMs > 0 ? { iat: issuedAt, exp: issuedAt + Math.ceil(expiresInMs / 1000) } : { iat: issuedAt };
  const signed = `${encode({ ...header })}.${encode({ ...times, ...claims })}`;
  return `${signed}.${signatureOf(signed, algorithm, key).toString('base64url')}`;
}

export interface JwtVerification {
  token: string;
  key: string;
  algorithms: JwtAlgorithm[];
  issuer: string | null;
  audience: string | null;
  toleranceMs: number;
}

/** Nothing of a token whose signature is wrong is handed on. */
export function verifyJwt(verification: JwtVerification, nowMs: number): JwtCheck {
  const { token, key, algorithms } = verification;
  const parts = token.split('.');
  const [headerText = '', claimsText = '', signatureText = ''] = parts;
  const header = decode(headerText);
  const claims = decode(claimsText);
  if (parts.length !== 3 || header === null || claims === null) return refused('malformed');
  // RFC 7515, 4.1.11: what is critical and not understood makes the token invalid.
  if (header.crit !== undefined) return refused('malformed');
  const algorithm = algorithms.find((one) => one === header.alg);
  if (algorithm === undefined) return refused('algorithm');
  const signature = Buffer.from(signatureText, 'base64url');
  // A signature has one spelling: another one that means the same is not what was signed with.
  if (signature.toString('base64url') !== signatureText) return refused('malformed');
  if (!isSignature(signature, `${headerText}.${claimsText}`, algorithm, key)) return refused('signature');
  const reason = reasonAgainst(claims, verification, nowMs);
  return { valid: reason === null, reason, header, claims };
}

function refused(reason: JwtCheck['reason']): JwtCheck {
  return { valid: false, reason, header: null, claims: null };
}

function reasonAgainst(
  claims: Record<string, unknown>,
  { issuer, audience, toleranceMs }: JwtVerification,
  nowMs: number,
): JwtCheck['reason'] {
  for (const name of ['exp', 'nbf'] as const) {
    if (claims[name] !== undefined && typeof claims[name] !== 'number') return 'malformed';
  }
  if (typeof claims.exp === 'number' && nowMs - toleranceMs >= claims.exp * 1000) return 'expired';
  if (typeof claims.nbf === 'number' && nowMs + toleranceMs < claims.nbf * 1000) return 'not_yet_valid';
  if (issuer !== null && claims.iss !== issuer) return 'issuer';
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (audience !== null && !audiences.includes(audience)) return 'audience';
  return null;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function signatureOf(signed: string, algorithm: JwtAlgorithm, key: string): Buffer {
  if (algorithm.startsWith('HS')) return createHmac(digestOf(algorithm), sharedKey(key)).update(signed).digest();
  const privateKey = readKey(key, () => createPrivateKey(key), 'a private key in PEM');
  checkKey(privateKey, algorithm);
  return sign(digestOf(algorithm), Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
}

function isSignature(signature: Buffer, signed: string, algorithm: JwtAlgorithm, key: string): boolean {
  if (algorithm.startsWith('HS')) {
    const expected = createHmac(digestOf(algorithm), sharedKey(key)).update(signed).digest();
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  }
  const publicKey = readKey(key, () => createPublicKey(key), 'a public key or certificate in PEM');
  checkKey(publicKey, algorithm);
  return verify(digestOf(algorithm), Buffer.from(signed), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}

function digestOf(algorithm: JwtAlgorithm): string {
  return `sha${algorithm.slice(2)}`;
}

/** A public key as a shared one is the classic forgery: anybody has it. */
function sharedKey(key: string): string {
  if (key === '') throw invalidCall('key', 'an empty text', 'a key');
  if (key.trimStart().startsWith('-----BEGIN')) {
    throw invalidCall('key', 'a PEM text for an HS algorithm', 'a shared key, or the algorithm RS256 or ES256');
  }
  return key;
}

function readKey(key: string, read: () => KeyObject, allowed: string): KeyObject {
  try {
    // Without PEM's frame Node would take other forms, and say of what is none more than a message should.
    if (key.trimStart().startsWith('-----BEGIN')) return read();
  } catch {
    // Told below: Node's own message may quote the key.
  }
  throw invalidCall('key', 'a text that is no such key', allowed);
}

function checkKey(key: KeyObject, algorithm: JwtAlgorithm): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (algorithm === 'RS256' && (type !== 'rsa' || (details?.modulusLength ?? 0) < rsaBitsMin)) {
    throw invalidCall('key', `a key of type ${type}`, `an RSA key of at least ${rsaBitsMin} bits for RS256`);
  }
  if (algorithm === 'ES256' && (type !== 'ec' || details?.namedCurve !== 'prime256v1')) {
    throw invalidCall('key', `a key of type ${type}`, 'a key on the curve P-256 for ES256');
  }
}
