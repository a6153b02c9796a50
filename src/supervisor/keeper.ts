import type { Log } from '../observe/log.ts';
import { BackOff } from './back-off.ts';

/** One life of a kept child. */
export interface Life {
  readonly pid: number;
  /** Resolves when the process has ended, with the words for it, such as `signal SIGKILL` or `exit code 1`. Never rejects. */
  readonly exited: Promise<string>;
  /** Ends it in order; resolves when it has ended. */
  stop(): Promise<void>;
  /** Ends it at once, with all that it started. */
  kill(): void;
}

export interface KeeperOptions<L extends Life> {
  /** For the log: `gateway`, `PostgreSQL`. */
  name: string;
  start(): Promise<L>;
  /** Called after each unexpected end, before the wait; returning false gives up. */
  onDeath(ended: { life: L | null; reason: string }): boolean;
  log: Log;
}

/**
 * Keeps one child alive: starts it, waits for its end, starts it again after a back-off, until `stop`.
 *
 *   idle ── start ──► up ── died ──► waiting ── delay over ──► up …
 *                     │                 │
 *                     └──── stop ───────┴──► stopped            (also from `idle`, and when onDeath gives up)
 */
export class Keeper<L extends Life> {
  readonly #options: KeeperOptions<L>;
  readonly #backOff = new BackOff();
  #life: L | null = null;
  #starting: Promise<void> | null = null;
  #stopping = false;
  #killed = false;
  #wake: (() => void) | null = null;

  constructor(options: KeeperOptions<L>) {
    this.#options = options;
  }

  get life(): L | null {
    return this.#life;
  }

  /** The first start: its failure is the caller's, there is nothing to go back to. */
  async start(): Promise<L> {
    const starting = this.#options.start().then((life) => {
      this.#adopt(life);
      return life;
    });
    this.#starting = starting.then(
      () => {},
      () => {},
    );
    return starting;
  }

  /** Ends the child and keeps it ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#starting;
    await this.#life?.stop();
  }

  /** Ends the child at once: for a second signal. */
  kill(): void {
    this.#stopping = true;
    this.#killed = true;
    this.#wake?.();
    this.#life?.kill();
  }

  #adopt(life: L): void {
    this.#life = life;
    if (this.#killed) life.kill();
    const sinceMs = performance.now();
    void life.exited.then((reason) => {
      this.#life = null;
      if (!this.#stopping) this.#died(life, reason, performance.now() - sinceMs);
    });
  }

  #died(life: L | null, reason: string, upMs: number): void {
    const { name, log, onDeath } = this.#options;
    if (!onDeath({ life, reason })) return;
    const delayMs = this.#backOff.delayAfter(upMs);
    log.warn(
      `${name}${life === null ? '' : ` (pid ${life.pid})`} ended: ${reason}. Starting it again in ${delayMs} ms.`,
    );
    this.#starting = this.#startAgain(delayMs);
  }

  async #startAgain(delayMs: number): Promise<void> {
    await this.#wait(delayMs);
    if (this.#stopping) return;
    try {
      const life = await this.#options.start();
      this.#adopt(life);
      this.#options.log.info(`${this.#options.name} started again (pid ${life.pid}).`);
    } catch (error) {
      if (!this.#stopping) this.#died(null, `it did not start: ${error instanceof Error ? error.message : error}`, 0);
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
