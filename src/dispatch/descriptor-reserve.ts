import { closeSync, openSync } from 'node:fs';

/** A runner takes its socket, its stderr, its announcement, and for a moment the other ends of those and what its mounts are read from. */
const reserveSize = 16;
const refillIntervalMs = 1_000;

/**
 * Open files kept back for starting a runner: when clients have taken all that `ulimit -n` allows, a runner that dies can still be
 * replaced. What is started within one turn of the event loop gets them, since nothing else opens files meanwhile.
 */
export class DescriptorReserve {
  readonly #fds: number[] = [];
  #refill: NodeJS.Timeout | null = null;

  constructor() {
    this.#fill();
  }

  /** Lets `act` have the descriptors, and takes back what it leaves. */
  use<T>(act: () => T): T {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
    try {
      return act();
    } finally {
      this.#fill();
    }
  }

  close(): void {
    if (this.#refill !== null) clearTimeout(this.#refill);
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }

  #fill(): void {
    this.#refill = null;
    try {
      while (this.#fds.length < reserveSize) this.#fds.push(openSync('/dev/null', 'r'));
    } catch {
      this.#refill = setTimeout(() => this.#fill(), refillIntervalMs).unref();
    }
  }
}
