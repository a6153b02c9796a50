export const secretKeyExpected =
  '32 bytes as 64 hexadecimal digits or 43 characters of base64, as `openssl rand -hex 32` makes them';

/** The bytes of a key as it is written in the configuration; null when it is none. */
export function parseSecretKey(text: string): Buffer | null {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 32 ? bytes : null;
}
