import type { Dispatcher } from 'undici';
import { BoundedBody } from './bounded-body.ts';
import { type Connection, ConnectionGone, responseHeaderSizeMax } from './connection-pool.ts';
import { errorCodeOf, HttpFailure } from './failure.ts';

/** One request as it goes onto a connection. */
export interface WireRequest {
  method: string;
  /** Path and query. */
  path: string;
  /** Names and values in turn. */
  headers: string[];
  body: Buffer | null;
}

export interface WireResponse {
  status: number;
  /** Lower-case names; an array where the header came more than once. */
  headers: [name: string, value: string | string[]][];
  body: Buffer;
}

/** How far a call has come, for the message when it ends early. */
export interface Progress {
  phase: 'resolving' | 'connecting' | 'sending' | 'waiting' | 'receiving';
  /** True once any byte of a request may have reached a server. */
  sent: boolean;
}

/** The connection broke before an answer began: the call may be repeated on another one if that is safe. */
export class BrokenBeforeAnswer extends Error {
  /** True when the request was on its way: only a safe method may be sent again. */
  readonly sent: boolean;
  readonly failure: HttpFailure;

  constructor(sent: boolean, failure: HttpFailure) {
    super(failure.message, { cause: failure });
    this.name = 'BrokenBeforeAnswer';
    this.sent = sent;
    this.failure = failure;
  }
}

/**
 * Sends a request and reads the answer to its end, at most `sizeMax` bytes of body. Rejects with BrokenBeforeAnswer, HttpFailure
 * (`too_large`, `protocol`), or `signal.reason`; after a rejection the connection cannot be used again.
 */
export function exchange(
  connection: Connection,
  request: WireRequest,
  sizeMax: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const body = new BoundedBody(sizeMax);
    let status = 0;
    let headers: WireResponse['headers'] = [];
    let started = false;
    let controller: Dispatcher.DispatchController | null = null;
    const onAbort = () => fail(signal.reason);
    // Aborting makes undici call `onResponseError` at once: the promise is then already settled, and its reason is the right one.
    const fail = (reason: unknown) => {
      signal.removeEventListener('abort', onAbort);
      reject(reason);
      controller?.abort(new Error('the call has ended'));
    };
    progress.phase = 'sending';
    signal.addEventListener('abort', onAbort, { once: true });
    connection.client.dispatch(
      { ...request, method: request.method as Dispatcher.HttpMethod },
      {
        onRequestStart(begun) {
          controller = begun;
          if (signal.aborted) begun.abort(new Error('the call has ended'));
          else progress.sent = true;
        },
        onRequestSent() {
          progress.phase = 'waiting';
        },
        onResponseStart(_controller, statusCode, answerHeaders) {
          // 102 and 103 come before the answer and are not part of it.
          if (statusCode < 200) return;
          started = true;
          progress.phase = 'receiving';
          status = statusCode;
          headers = Object.entries(answerHeaders).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, value]],
          );
          // To HEAD and with 304 the length is that of a body which does not come.
          const bodyComes = request.method !== 'HEAD' && statusCode !== 304;
          const announced = Number(answerHeaders['content-length']);
          if (bodyComes && announced > sizeMax) fail(tooLarge(`${announced} bytes`, sizeMax));
        },
        onResponseData(_controller, chunk) {
          if (!body.append(chunk)) fail(tooLarge('more', sizeMax));
        },
        onResponseEnd() {
          signal.removeEventListener('abort', onAbort);
          resolve({ status, headers, body: body.take() });
        },
        onResponseError(_controller, error) {
          const failure = brokenFailure(error, started);
          const gone = error instanceof ConnectionGone || isDisconnect(error);
          fail(!started && gone ? new BrokenBeforeAnswer(controller !== null, failure) : failure);
        },
      },
    );
  });
}

function isDisconnect(error: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_INFO', 'UND_ERR_DESTROYED'].includes(errorCodeOf(error));
}

function brokenFailure(error: Error, started: boolean): HttpFailure {
  const code = errorCodeOf(error);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new HttpFailure(
      'too_large',
      `the answer's headers are larger than ${responseHeaderSizeMax} bytes`,
      false,
      error,
    );
  }
  if (code === 'UND_ERR_INVALID_ARG') return new HttpFailure('invalid_request', error.message, false, error);
  if (isDisconnect(error) || error instanceof ConnectionGone) {
    const when = started ? 'in the middle of its answer' : 'before it answered';
    return new HttpFailure('protocol', `the other side closed the connection ${when} (${code})`, true, error);
  }
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return new HttpFailure('protocol', 'the answer ended before its announced length', true, error);
  }
  return new HttpFailure('protocol', `the answer is not HTTP/1.1 (${code}: ${error.message})`, false, error);
}

function tooLarge(got: string, sizeMax: number): HttpFailure {
  return new HttpFailure(
    'too_large',
    `the answer's body is too large: ${got}, at most ${sizeMax} bytes are read. Ask for less (a page, a range)`,
  );
}
