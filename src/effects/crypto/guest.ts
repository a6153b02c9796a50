import type { EffectHost, EffectPart, EffectStep } from '../../guest/effect-host.ts';
import type { DataEncoding, DigestAlgorithm, DigestEncoding, JwtAlgorithm, WebhookScheme } from './arguments.ts';

/** `ctx.crypto`. Evaluated inside the isolate, see `guest/effect-host.ts`. */
export function createCryptoPart(host: EffectHost): EffectPart {
  const timeoutMsDefault = 30_000;
  const randomSizeMax = 1024;
  const alphabets = {
    base64: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
    base64url: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
  };

  interface DigestOptions {
    algorithm?: DigestAlgorithm;
    encoding?: DigestEncoding;
    dataEncoding?: DataEncoding;
  }

  /** Issues the call; `undefined` in it is left out, so that its text is canonical. */
  const call = (step: EffectStep, operation: string, given: object, options: object | undefined): Promise<unknown> => {
    try {
      const argumentsJson = host.toJson({ operation, ...given }, operation);
      return step.issue('crypto', argumentsJson, host.optionsOf(options, timeoutMsDefault));
    } catch (error) {
      return Promise.reject(error);
    }
  };

  const optionalMs = (duration: string | number | undefined, what: string): number | undefined =>
    duration === undefined ? undefined : host.durationMs(duration, what);

  const bytesOf = (step: EffectStep, size: number): number[] => {
    const bytes: number[] = [];
    for (let word = 0; bytes.length < size; word >>>= 8) {
      if (bytes.length % 4 === 0) word = step.randomWord();
      bytes.push(word & 255);
    }
    return bytes;
  };

  const encode = (bytes: number[], encoding: DigestEncoding): string => {
    if (encoding === 'hex') return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const alphabet = alphabets[encoding];
    let text = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const given = Math.min(3, bytes.length - at);
      const bits = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      for (let i = 0; i <= given; i++) text += alphabet[(bits >>> (18 - 6 * i)) & 63];
      if (encoding === 'base64') text += '='.repeat(3 - given);
    }
    return text;
  };

  class GuestCrypto {
    readonly #step: EffectStep;
    constructor(step: EffectStep) {
      this.#step = step;
    }
    hash(data: string, options: DigestOptions = {}): Promise<unknown> {
      const { algorithm, encoding, dataEncoding } = options;
      return call(this.#step, 'hash', { data, dataEncoding, algorithm, encoding }, options);
    }
    hmac(data: string, key: string, options: DigestOptions = {}): Promise<unknown> {
      const { algorithm, encoding, dataEncoding } = options;
      return call(this.#step, 'hmac', { data, dataEncoding, key, algorithm, encoding }, options);
    }
    signJwt(
      claims: object,
      key: string,
      options: { algorithm?: JwtAlgorithm; keyId?: string; expiresIn?: string | number } = {},
    ): Promise<unknown> {
      try {
        const { algorithm, keyId } = options;
        const expiresInMs = optionalMs(options.expiresIn, 'expiresIn');
        return call(this.#step, 'signJwt', { claims, key, algorithm, keyId, expiresInMs }, options);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    verifyJwt(
      token: string,
      key: string,
      options: { algorithms: JwtAlgorithm[]; issuer?: string; audience?: string; tolerance?: string | number },
    ): Promise<unknown> {
      try {
        const { algorithms, issuer, audience } = options ?? {};
        const toleranceMs = optionalMs(options?.tolerance, 'tolerance');
        return call(this.#step, 'verifyJwt', { token, key, algorithms, issuer, audience, toleranceMs }, options);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    verifyWebhook(check: {
      scheme: WebhookScheme;
      payload: string;
      headers: object;
      key: string;
      signatureHeader?: string;
      algorithm?: DigestAlgorithm;
      encoding?: DigestEncoding;
      tolerance?: string | number;
    }): Promise<unknown> {
      try {
        const { scheme, payload, headers, key, signatureHeader, algorithm, encoding } = check ?? {};
        const toleranceMs = optionalMs(check?.tolerance, 'tolerance');
        const given = { scheme, payload, headers, key, signatureHeader, algorithm, encoding, toleranceMs };
        return call(this.#step, 'verifyWebhook', given, check);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    /** No effect: the step's own random numbers, the same when it is run again. */
    randomBytes(size: number, encoding: DigestEncoding = 'hex'): string {
      if (!Number.isInteger(size) || size < 1 || size > randomSizeMax) {
        throw host.error(`size must be a whole number from 1 to ${randomSizeMax}; got ${host.textOf(size)}`);
      }
      if (encoding !== 'hex' && !Object.hasOwn(alphabets, encoding)) {
        throw host.error(`encoding must be hex, base64 or base64url; got ${host.textOf(encoding)}`);
      }
      return encode(bytesOf(this.#step, size), encoding);
    }
  }
  host.close(GuestCrypto);

  return { member: (step) => new GuestCrypto(step) };
}
