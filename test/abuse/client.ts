/** A client that keeps to nothing: it sends any bytes, reads or does not, and leaves as it likes. */
import { connect, type Socket } from 'node:net';

/** Long enough for a server on two busy cores; a server that hangs is what this finds. */
const patienceMs = 30_000;

export interface Answer {
  status: number;
  /** Of the problem document; empty for other answers. */
  code: string;
  body: string;
}

export class AbuseClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#isOver = true;
        this.#wake?.();
      });
    }
  }

  /** From one of many addresses of this machine, so that the ports of one are not used up. Null when nobody accepts it. */
  static connect(port: number, n: number): Promise<AbuseClient | null> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (n % 100)}`, allowHalfOpen: true });
    return new Promise((resolve) => {
      socket.once('connect', () => resolve(new AbuseClient(socket)));
      socket.once('error', () => resolve(null));
    });
  }

  send(bytes: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Closes its side, and goes on listening. */
  halfClose(): void {
    this.#socket.end();
  }

  stopReading(): void {
    this.#socket.pause();
  }

  /** Leaves without a word: what is under way is answered with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Null when the connection ends before a whole answer, or nothing comes. */
  async answer(): Promise<Answer | null> {
    const deadlineMs = performance.now() + patienceMs;
    for (;;) {
      const whole = this.#take();
      if (whole !== null) return whole;
      if (this.#isOver || performance.now() > deadlineMs) return null;
      await this.#more(deadlineMs);
    }
  }

  /** True once the server has ended the connection. */
  async ended(): Promise<boolean> {
    const deadlineMs = performance.now() + patienceMs;
    while (!this.#isOver && performance.now() < deadlineMs) await this.#more(deadlineMs);
    return this.#isOver;
  }

  /** Bytes that came and were not taken as answers. */
  get unread(): number {
    return this.#received.length;
  }

  close(): void {
    this.#socket.destroy();
  }

  #more(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, deadlineMs - performance.now()));
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }

  #take(): Answer | null {
    const split = this.#received.indexOf('\r\n\r\n');
    if (split === -1) return null;
    const head = this.#received.toString('latin1', 0, split);
    const end = split + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < end) return null;
    const body = this.#received.toString('utf8', split + 4, end);
    this.#received = this.#received.subarray(end);
    const code = head.includes('application/problem+json') ? String((JSON.parse(body) as { code: string }).code) : '';
    return { status: Number(head.slice(9, 12)), code, body };
  }
}
