import type { Store } from '../store/port.ts';

const intervalMs = 1_000;

/** Knows whether the database answers, so that `/ready` need not ask it each time. */
export class StoreWatch {
  readonly #store: Store;
  readonly #timer: NodeJS.Timeout;
  #isUp = true;

  constructor(store: Store) {
    this.#store = store;
    this.#timer = setInterval(() => void this.#look(), intervalMs);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Why it is not up, for anybody: the log has the details. */
  get reason(): string {
    return this.#store.trouble === null ? 'the database is not reached' : 'the database takes no writes: see the log';
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    this.#isUp = await this.#store.isAvailable().catch(() => false);
  }
}
