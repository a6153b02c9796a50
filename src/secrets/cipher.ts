/** Encryption of secrets at rest: AES-256-GCM, with the secret's name and the key's id as additional data. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

export interface SecretKey {
  /** Tells which key opens what: of the key's hash. */
  id: string;
  bytes: Buffer;
}

export interface SealedValue {
  keyId: string;
  /** 12 bytes, never used twice with one key. */
  nonce: Buffer;
  /** The encrypted text with its tag of 16 bytes behind. */
  sealed: Buffer;
}

const algorithm = 'aes-256-gcm';
const nonceSize = 12;
const tagSize = 16;
export const keySize = 32;

export function secretKeyOf(bytes: Buffer): SecretKey {
  if (bytes.length !== keySize) throw new TypeError(`a key has ${keySize} bytes, this one ${bytes.length}`);
  return { id: createHash('sha256').update('nflow secret key ').update(bytes).digest('hex').slice(0, 16), bytes };
}

export function generateKey(): SecretKey {
  return secretKeyOf(randomBytes(keySize));
}

export function seal(name: string, value: string, key: SecretKey): SealedValue {
  const nonce = randomBytes(nonceSize);
  const cipher = createCipheriv(algorithm, key.bytes, nonce, { authTagLength: tagSize });
  cipher.setAAD(additionalData(name, key.id));
  const sealed = Buffer.concat([cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { keyId: key.id, nonce, sealed };
}

/** Throws when the key is another one, or when name or bytes were changed. */
export function unseal(name: string, { nonce, sealed }: SealedValue, key: SecretKey): string {
  const decipher = createDecipheriv(algorithm, key.bytes, nonce, { authTagLength: tagSize });
  decipher.setAAD(additionalData(name, key.id));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagSize));
  const text = [decipher.update(sealed.subarray(0, sealed.length - tagSize)), decipher.final()];
  return Buffer.concat(text).toString('utf8');
}

function additionalData(name: string, keyId: string): Buffer {
  return Buffer.from(`nflow secret\n${name}\n${keyId}`);
}
