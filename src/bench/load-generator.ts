/**
 * A closed loop: each connection sends its next request when the answer to the last one is there. Raw sockets, because the client
 * shares the machine with the server: it costs about 26 us a request where undici costs 62 (measured).
 */
import { connect, type Socket } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { ResponseReader } from './response-reader.ts';

export interface LoadOptions {
  host: string;
  port: number;
  /** One request each, in turn over all connections. */
  paths: readonly string[];
  method: 'GET' | 'POST';
  body: string;
  connections: number;
  /** Answers in this time are checked and not counted. */
  warmUpMs: number;
  durationMs: number;
  /** Ends when so many were sent and answered, and after `durationMs` at the latest; the warm-up has to be 0. Absent: the time alone decides. */
  requests?: number;
  expected: { status: number; body: string };
}

export interface LoadResult {
  answers: number;
  perSecond: number;
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
  /** Wrong answers and lost connections, those of the warm-up included. */
  errors: number;
  /** What the first error was, or null. */
  firstError: string | null;
}

const reconnectAfterMs = 50;
const readBufferSize = 64 * 1024;
const nanosecondsPerMs = 1e6;
/** What was on its way when the time was over may still arrive: a socket is not ended in the middle of an answer. */
const lastAnswersMs = 5_000;

export function runLoad(options: LoadOptions): Promise<LoadResult> {
  return new LoadRun(options).finished;
}

class LoadRun {
  readonly finished: Promise<LoadResult>;
  readonly #options: LoadOptions;
  readonly #requests: readonly Buffer[];
  readonly #expectedBody: Buffer;
  readonly #isOkExpected: boolean;
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 });
  readonly #sockets = new Set<Socket>();
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBufferSize);
  #isCounting = false;
  #isOver = false;
  #onOver: () => void = () => {};
  #sent = 0;
  #answers = 0;
  #errors = 0;
  #firstError: string | null = null;
  #onQuiet: () => void = () => {};

  constructor(options: LoadOptions) {
    const { host, port, paths, method, body, connections, expected } = options;
    this.#options = options;
    const content =
      body === '' ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    this.#requests = paths.map((path) =>
      Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\n${content}\r\n${body}`),
    );
    this.#expectedBody = Buffer.from(expected.body);
    this.#isOkExpected = expected.status === 200;
    for (let i = 0; i < connections; i++) this.#open();
    this.finished = this.#measure();
  }

  async #measure(): Promise<LoadResult> {
    if (this.#options.warmUpMs > 0) await sleep(this.#options.warmUpMs);
    this.#isCounting = true;
    const beganMs = performance.now();
    await this.#over();
    // Of a number of requests the last answers count like the others; of a time they come after it.
    const isByCount = this.#options.requests !== undefined;
    if (isByCount) await this.#quiet();
    this.#isCounting = false;
    const tookMs = performance.now() - beganMs;
    if (!isByCount) await this.#quiet();
    for (const socket of this.#sockets) socket.destroy();
    const count = this.#histogram.count;
    return {
      answers: this.#answers,
      perSecond: (this.#answers * 1000) / tookMs,
      meanMs: count === 0 ? 0 : this.#histogram.mean / nanosecondsPerMs,
      p50Ms: this.#histogram.percentile(50) / nanosecondsPerMs,
      p99Ms: this.#histogram.percentile(99) / nanosecondsPerMs,
      errors: this.#errors,
      firstError: this.#firstError,
    };
  }

  /** Resolves when nothing more is to be sent. */
  #over(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#end(), this.#options.durationMs);
      this.#onOver = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(): void {
    this.#isOver = true;
    this.#onOver();
  }

  /** Resolves when every connection has its last answer, or after a while. */
  #quiet(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, lastAnswersMs);
      this.#onQuiet = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #open(): void {
    const { host, port } = this.#options;
    const reader = new ResponseReader();
    // All sockets read into one buffer, past the stream: the stream's own work would cost more than the rest of the client.
    const onread = {
      buffer: this.#readBuffer,
      callback: (length: number, buffer: Uint8Array): boolean => {
        onChunk(buffer.subarray(0, length) as Buffer);
        return true;
      },
    };
    const socket = connect({ host, port, noDelay: true, onread });
    let sentMs = 0;
    const send = (): void => {
      if (this.#isOver) {
        socket.destroy();
        return;
      }
      sentMs = performance.now();
      socket.write(this.#requests[this.#sent % this.#requests.length] as Buffer);
      if (++this.#sent === this.#options.requests) this.#end();
    };
    this.#sockets.add(socket);
    socket.on('connect', send);
    const onAnswer = (): void => {
      if (!this.#isCounting) return;
      this.#answers++;
      this.#histogram.record(Math.max(1, Math.round((performance.now() - sentMs) * nanosecondsPerMs)));
    };
    const onChunk = (chunk: Buffer): void => {
      if (this.#isOkExpected && reader.isExpected(chunk, this.#expectedBody)) {
        onAnswer();
        send();
        return;
      }
      let response: ReturnType<ResponseReader['push']>;
      try {
        response = reader.push(chunk);
      } catch (error) {
        this.#fail(String(error));
        socket.destroy();
        return;
      }
      if (response === null) return;
      onAnswer();
      this.#check(response.status, response.body);
      send();
    };
    socket.on('error', (error) => {
      if (!this.#isOver) this.#fail(error.message);
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#isOver) {
        if (this.#sockets.size === 0) this.#onQuiet();
        return;
      }
      this.#fail('the server closed the connection');
      setTimeout(() => {
        if (!this.#isOver) this.#open();
      }, reconnectAfterMs);
    });
  }

  #check(status: number, body: Buffer): void {
    const { expected } = this.#options;
    if (status === expected.status && body.equals(this.#expectedBody)) return;
    this.#fail(
      `got ${status} ${body.toString('utf8', 0, 200)}, expected ${expected.status} ${expected.body.slice(0, 200)}`,
    );
  }

  #fail(message: string): void {
    this.#errors++;
    this.#firstError ??= message;
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
