/** Answers on the wire. Headers are flat arrays and small bodies Latin-1 strings: both are the shorter way through node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { composeProblem } from './composed-answer.ts';
import { connectionOf } from './connection.ts';
import type { Problem } from './problem.ts';

/** Up to this size head and body leave as one string: one write instead of two, about 3 us less an answer. */
export const oneStringSizeMax = 16 * 1024;
/** A client that does not take its answer for this long is cut off: the bytes are memory. */
export const slowReaderTimeoutMs = 60_000;

/** How much of an unread body is waited for before the connection is closed under it, and for how long. */
const lingerSizeMax = 4 * 1024 * 1024;
const lingerTimeMaxMs = 2_000;
/** A body that the client has announced to be this small is read to its end, and the connection is kept. */
const skippedBodySizeMax = 64 * 1024;

/** Sends headers and body and ends the answer. `headers` gets its content-length here. */
export function writeBytes(res: ServerResponse, status: number, headers: string[], body: Uint8Array): void {
  headers.push('content-length', String(body.length));
  res.writeHead(status, headers);
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length <= oneStringSizeMax) {
    res.end(bytes.toString('latin1'), 'latin1');
    return;
  }
  res.end(bytes);
  const { socket } = res;
  if (socket !== null && socket.writableLength > 0) socket.setTimeout(slowReaderTimeoutMs);
}

/** Sends an answer without a body. 204 and 304 may not even say its length. */
export function writeEmpty(res: ServerResponse, status: number, headers: string[]): void {
  if (status !== 204 && status !== 304) headers.push('content-length', '0');
  res.writeHead(status, headers);
  res.end();
}

export interface ProblemOptions {
  /** For 405: the methods that the address answers. */
  allow?: readonly string[];
  /** The connection ends after the answer. */
  close?: boolean;
}

/**
 * Sends a problem. When the request's body has not been read, the rest of it is skipped, or, when it is long, the connection
 * is closed behind the answer.
 */
export function writeProblem(
  req: IncomingMessage,
  res: ServerResponse,
  problem: Problem,
  options: ProblemOptions = {},
): void {
  const { headers, body: bytes } = composeProblem(problem);
  if (options.allow !== undefined) headers.push('allow', options.allow.join(', '));
  const leavesBody = !req.complete && !isShortBody(req);
  if (options.close || leavesBody) {
    headers.push('connection', 'close');
    connectionOf(req.socket).isRefused = true;
  }
  if (!leavesBody) {
    writeBytes(res, problem.status, headers, bytes);
    return;
  }
  headers.push('content-length', String(bytes.length));
  res.writeHead(problem.status, headers);
  res.write(bytes);
  endAfterBody(req, res);
}

function isShortBody(req: IncomingMessage): boolean {
  if (req.headers['transfer-encoding'] !== undefined) return false;
  const length = req.headers['content-length'];
  // A client that waits for `100 Continue` sends nothing once it has another answer.
  return length === undefined || (Number(length) <= skippedBodySizeMax && req.headers.expect === undefined);
}

/**
 * Ends an answer that was written whole, once the client has stopped sending. Closing at once would make the kernel answer the
 * bytes still under way with a reset, which can reach the client before it has read the answer.
 */
function endAfterBody(req: IncomingMessage, res: ServerResponse): void {
  let skipped = 0;
  const { socket } = req;
  const end = (): void => {
    clearTimeout(timer);
    req.off('data', skip);
    socket.off('end', end);
    res.end();
  };
  const skip = (chunk: Buffer): void => {
    skipped += chunk.length;
    if (skipped > lingerSizeMax) end();
  };
  const timer = setTimeout(end, lingerTimeMaxMs);
  req.on('data', skip);
  req.once('end', end);
  req.once('close', end);
  socket.once('end', end);
  req.resume();
}
