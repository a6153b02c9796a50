import { TextDecoder } from 'node:util';
import type { FileArea } from '../../files/file-area.ts';
import { FileFailure } from '../../files/file-failure.ts';
import type { FileBatch, RowEncoding } from './arguments.ts';

const lineEnd = 0x0a;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

export interface BatchCall {
  path: string;
  offset: number;
  sizeMax: number;
  encoding: RowEncoding;
  /** Of the file that the batches before came from; null for the first. */
  version: string | null;
}

/**
 * Reads a piece of a file that ends where a line does. Whether a line's end is one of a row is for who reads the rows to say: a quoted value
 * may hold line ends. Rejects with FileFailure.
 */
export async function readBatch(area: FileArea, call: BatchCall): Promise<FileBatch> {
  const { path, offset, sizeMax, encoding } = call;
  const file = await area.open(path);
  try {
    if (call.version !== null && call.version !== file.version) {
      throw new FileFailure('changed', `${JSON.stringify(path)} was changed while its rows were read`);
    }
    const wanted = Math.max(0, Math.min(sizeMax, file.size - offset));
    const { buffer, bytesRead } = await file.handle.read(Buffer.allocUnsafe(wanted), 0, wanted, offset);
    const isLast = offset + bytesRead >= file.size;
    const read = buffer.subarray(0, bytesRead);
    // Without an end of a line nothing is whole: the caller asks for more.
    const piece = isLast ? read : read.subarray(0, read.lastIndexOf(lineEnd) + 1);
    const hasMark = offset === 0 && encoding === 'text' && piece.subarray(0, 3).equals(byteOrderMark);
    return {
      text: decodeText(hasMark ? piece.subarray(3) : piece, encoding, path),
      end: offset + piece.length,
      isLast,
      size: file.size,
      version: file.version,
    };
  } finally {
    await file.handle.close();
  }
}

/** Throws FileFailure `not_text`. */
export function decodeText(bytes: Buffer, encoding: RowEncoding, path: string): string {
  if (encoding === 'latin1') return bytes.toString('latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const message = `${JSON.stringify(path)} is not UTF-8. Say "encoding": "latin1", or "base64" for bytes`;
    throw new FileFailure('not_text', message);
  }
}
