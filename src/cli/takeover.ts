import type { ExecutionEngine } from '../engine/engine.ts';
import type { Log } from '../observe/log.ts';
import type { Incarnation } from '../store/port.ts';

/** As often as incarnations beat: silence shows no sooner. */
const intervalMs = 5_000;

export interface TakeoverOptions {
  incarnation: Incarnation;
  engine: ExecutionEngine;
  log: Log;
}

/** Goes on with the executions of servers that ended: at once with those that the supervisor saw end, then of all that go silent. */
export class Takeover {
  readonly #options: TakeoverOptions;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  /** Resolves when all that `dead` left is owned by this server; with PostgreSQL away it goes on trying. */
  async start(dead: string[]): Promise<void> {
    while (!(await this.#take(dead)) && !this.#isClosed)
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#take([]).then(() => this.#schedule()), intervalMs);
  }

  async #take(dead: string[]): Promise<boolean> {
    const { incarnation, engine, log } = this.#options;
    if (this.#isClosed) return false;
    try {
      const count = await incarnation.takeOver(dead, (executions) => {
        engine
          .resume(executions)
          .catch((error) => log.error({ error }, 'executions that were taken over could not be resumed'));
      });
      if (count > 0) log.info({ executions: count }, 'took over what a server that ended had left');
      return true;
    } catch (error) {
      log.warn({ error }, 'the executions of a server that ended could not be taken over yet');
      return false;
    }
  }
}
