/**
 * Payloads as they lie in the tables: the bytes themselves, or, when they are large, a zstd frame (RFC 8878). A frame begins with `(`, as no
 * JSON text does, so no column has to say which of the two it is. Both work on threads of their own, not on the event loop.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { NflowError } from '../errors.ts';

/** Smaller payloads are stored as they are: a page of PostgreSQL holds 8 KiB, so there is little to save. */
export const packBytesMin = 8 * 1024;
/**
 * No payload of ours is larger: a journal holds 64 Mi characters, of up to three bytes. A frame that claims more is not read.
 */
export const unpackedBytesMax = 192 * 1024 * 1024;
/** Measured on JSON of 10 KB to 10 MB: it shrinks to less than a third, and level 3 takes up to three times as long for no less. */
const level = 1;

const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export function isPacked(bytes: Uint8Array): boolean {
  return (
    bytes.length > magic.length &&
    bytes[0] === magic[0] &&
    bytes[1] === magic[1] &&
    bytes[2] === magic[2] &&
    bytes[3] === magic[3]
  );
}

/** The smaller of the bytes and their frame. */
export async function pack(bytes: Uint8Array): Promise<Uint8Array> {
  const packed = await compress(bytes, {
    pledgedSrcSize: bytes.length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
  return packed.length < bytes.length ? packed : bytes;
}

/** Payloads are UTF-8; what is not becomes U+FFFD. @throws NflowError `internal_error` when a frame is damaged or too large. */
export async function unpackText(bytes: Buffer): Promise<string> {
  return (await unpack(bytes)).toString('utf8');
}

export async function unpackOptionalText(bytes: Buffer | null): Promise<string | null> {
  return bytes === null ? null : unpackText(bytes);
}

/** Bytes of the payload itself, without unpacking it. */
export function payloadBytes(bytes: Uint8Array | null): number {
  if (bytes === null) return 0;
  return isPacked(bytes) ? (readContentSize(bytes) ?? bytes.length) : bytes.length;
}

async function unpack(bytes: Buffer): Promise<Buffer> {
  if (!isPacked(bytes)) return bytes;
  try {
    return await decompress(bytes, { maxOutputLength: unpackedBytesMax });
  } catch (error) {
    throw new NflowError('internal_error', 'A stored payload cannot be unpacked', {
      got: `${bytes.length} bytes that begin like a zstd frame: ${error instanceof Error ? error.message : String(error)}`,
      expected: `a whole frame of at most ${unpackedBytesMax} bytes`,
      cause: error,
    });
  }
}

/** The frame's own word for the size of its content (RFC 8878, section 3.1.1.1), or null when it gives none. */
function readContentSize(frame: Uint8Array): number | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const descriptor = view.getUint8(magic.length);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] as number;
  const at = magic.length + 1 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  if (sizeBytes === 0 || at + sizeBytes > frame.length) return null;
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}
