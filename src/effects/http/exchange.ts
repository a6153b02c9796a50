import type { Dispatcher } from 'undici';
import type { WrittenFile } from '../../files/file-writer.ts';
import type { BodyFile } from './body-file.ts';
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
  /** The body went into this file; `body` is empty then. */
  saved: WrittenFile | null;
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
 * @param openFile where the body of an answer below 300 goes instead of memory, piece by piece and whatever its size.
 */
export function exchange(
  connection: Connection,
  request: WireRequest,
  sizeMax: number,
  progress: Progress,
  signal: AbortSignal,
  openFile: (() => Promise<BodyFile>) | null = null,
): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const body = new BoundedBody(sizeMax);
    let saving: Saving | null = null;
    let status = 0;
    let headers: WireResponse['headers'] = [];
    let started = false;
    let controller: Dispatcher.DispatchController | null = null;
    const onAbort = () => fail(signal.reason);
    // Aborting makes undici call `onResponseError` at once: the promise is then already settled, and its reason is the right one.
    const fail = (reason: unknown) => {
      signal.removeEventListener('abort', onAbort);
      void saving?.discard();
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
        onResponseStart(begunController, statusCode, answerHeaders) {
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
          if (openFile !== null && bodyComes && statusCode < 300)
            saving = new Saving(begunController, openFile(), fail);
          else if (bodyComes && announced > sizeMax) fail(tooLarge(`${announced} bytes`, sizeMax));
        },
        onResponseData(_controller, chunk) {
          if (saving !== null) saving.write(chunk);
          else if (!body.append(chunk)) fail(tooLarge('more', sizeMax));
        },
        onResponseEnd() {
          if (saving !== null) {
            saving.place((saved) => {
              signal.removeEventListener('abort', onAbort);
              resolve({ status, headers, body: body.take(), saved });
            });
            return;
          }
          signal.removeEventListener('abort', onAbort);
          resolve({ status, headers, body: body.take(), saved: null });
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

/** Writes a body into its file, one piece after the other: the other side waits while the disk does. */
class Saving {
  readonly #controller: Dispatcher.DispatchController;
  readonly #file: Promise<BodyFile>;
  readonly #fail: (reason: unknown) => void;
  #writing: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(controller: Dispatcher.DispatchController, file: Promise<BodyFile>, fail: (reason: unknown) => void) {
    this.#controller = controller;
    this.#file = file;
    this.#fail = fail;
    file.catch(fail);
  }

  write(chunk: Buffer): void {
    // A parser that goes on without data tells of an empty piece: to pause for that would keep it from reading for ever.
    if (chunk.length === 0) return;
    this.#controller.pause();
    // The next read overwrites the chunk.
    const piece = Buffer.from(chunk);
    this.#writing = this.#writing.then(async () => {
      if (this.#isOver) return;
      await (await this.#file).write(piece);
      this.#controller.resume();
    });
    this.#writing.catch(this.#fail);
  }

  place(onPlaced: (saved: WrittenFile) => void): void {
    this.#writing
      .then(async () => {
        if (this.#isOver) return;
        this.#isOver = true;
        onPlaced(await (await this.#file).place());
      })
      .catch(this.#fail);
  }

  /** The call has failed. Nothing is left of what was written, unless it was whole. */
  async discard(): Promise<void> {
    this.#isOver = true;
    await this.#writing.catch(() => {});
    const file = await this.#file.catch(() => null);
    await file?.discard();
  }
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
