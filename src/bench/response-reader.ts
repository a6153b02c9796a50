/**
 * Reads the answers of one HTTP/1.1 connection without pipelining: one at a time, with a Content-Length. Less than a client, so
 * that the generator's own cost stays a small part of what is measured.
 */

const okStart = Buffer.from('HTTP/1.1 200 ');
const headEnd = Buffer.from('\r\n\r\n');
/** A head longer than this is no answer of a server that we measure. */
const headSizeMax = 64 * 1024;

export interface Response {
  status: number;
  body: Buffer;
}

export class ResponseReader {
  #pending: Buffer | null = null;

  /**
   * True for a chunk that is a whole answer with status 200 and this body and nothing else, which nearly every chunk is: then its head
   * need not be read. `push` is for all others.
   */
  isExpected(chunk: Buffer, body: Buffer): boolean {
    const bodyAt = chunk.length - body.length;
    if (this.#pending !== null || bodyAt <= okStart.length + headEnd.length) return false;
    if (chunk.compare(okStart, 0, okStart.length, 0, okStart.length) !== 0) return false;
    if (chunk.compare(body, 0, body.length, bodyAt) !== 0) return false;
    return chunk.indexOf(headEnd) === bodyAt - headEnd.length;
  }

  /** The answer, once it is whole, as a view of the chunk, which may be used again after the call; null when more must come. Throws RangeError on what cannot be read. */
  push(chunk: Buffer): Response | null {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    const at = bytes.indexOf(headEnd);
    if (at === -1) {
      if (bytes.length > headSizeMax) throw new RangeError(`no end of the head within ${headSizeMax} bytes`);
      this.#pending = Buffer.from(bytes);
      return null;
    }
    const head = bytes.toString('latin1', 0, at);
    const status = Number(head.slice(9, 12));
    if (!head.startsWith('HTTP/1.1 ') || !(status >= 100))
      throw new RangeError(`no HTTP/1.1 status line: ${head.slice(0, 60)}`);
    const bodyAt = at + headEnd.length;
    const length = bodyLength(head, status);
    if (bytes.length < bodyAt + length) {
      this.#pending = Buffer.from(bytes);
      return null;
    }
    if (bytes.length > bodyAt + length)
      throw new RangeError(`${bytes.length - bodyAt - length} bytes after the answer`);
    this.#pending = null;
    return { status, body: bytes.subarray(bodyAt) };
  }
}

function bodyLength(head: string, status: number): number {
  const match = /\r\ncontent-length: *(\d+)(?:\r|$)/i.exec(head);
  if (match !== null) return Number(match[1]);
  if (status === 204 || status === 304) return 0;
  throw new RangeError(`an answer without Content-Length: ${head.slice(0, 200)}`);
}
