/** What is answered to bytes that never became a request. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Metrics } from '../observe/metrics.ts';
import { requestIdHeader } from './composed-answer.ts';
import { type Connection, connectionOf } from './connection.ts';
import { isRetryable, type Problem, problemText, problemType, refusal, retryAfterSeconds } from './problem.ts';

/** Time for a client to end its sending and to read the answer: a connection closed under what is still arriving is reset, answer and all. */
const farewellMs = 2_000;

interface ParserError extends Error {
  code?: string;
  /** The packet in which parsing stopped. */
  rawPacket?: Buffer;
}

export interface ConnectionErrorLimits {
  headerSizeMax: number;
  urlSizeMax: number;
  bodySizeMax: number;
}

function problemFor(error: ParserError, limits: ConnectionErrorLimits): Problem {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      // Node counts the request line too. When not even that has ended, it is the address that is too long.
      return error.rawPacket?.includes('\n') === false
        ? refusal('uri_too_long', `The address is longer than ${limits.urlSizeMax} bytes, the limit of this server.`)
        : refusal(
            'headers_too_large',
            `The headers are larger than ${limits.headerSizeMax} bytes, the limit of this server.`,
          );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return refusal('body_too_large', 'The chunk extensions of the body are larger than this server accepts.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refusal('request_timeout');
    default:
      return refusal('invalid_input', 'What arrived is not a valid HTTP/1.1 request.');
  }
}

/** For the `clientError` event: answers where an answer can be read as one, and ends the connection in any case. */
export function answerConnectionError(
  error: ParserError,
  socket: Socket,
  limits: ConnectionErrorLimits,
  metrics: Metrics,
): void {
  const connection = connectionOf(socket);
  if (connection.isRefused) return;
  if (error.code === 'ECONNRESET' || !socket.writable || !connection.isFreeForError) {
    socket.destroy();
    return;
  }
  endWithProblem(socket, connection, problemFor(error, limits), metrics);
}

/** Writes a problem to a connection outside of any request of Node's, and ends it. */
export function endWithProblem(socket: Duplex, connection: Connection, reason: Problem, metrics: Metrics): void {
  connection.isRefused = true;
  const problem = { ...reason, requestId: randomUUID() };
  const body = problemText(problem);
  const retry = isRetryable(problem.code) ? `Retry-After: ${retryAfterSeconds}\r\n` : '';
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nContent-Type: ${problemType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n${requestIdHeader}: ${problem.requestId}\r\n${retry}\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), farewellMs).unref();
  // What still arrives is thrown away; with its end the socket closes by itself.
  socket.resume();
  socket.once('close', () => clearTimeout(timer));
  metrics.onHttpAnswer(problem.status);
  metrics.onRejected(problem.code);
}
