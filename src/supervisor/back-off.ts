/** Delays between restarts: doubled with every death, forgiven by a life that lasted. */

const firstDelayMs = 100;
const delayMaxMs = 5_000;
/** A child that was up for this long was healthy: what killed it is taken for a new cause. */
const forgivenAfterMs = 30_000;

export class BackOff {
  #nextMs = firstDelayMs;

  /** The delay before the next start, after a life of `upMs`. */
  delayAfter(upMs: number): number {
    if (upMs >= forgivenAfterMs) this.#nextMs = firstDelayMs;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMaxMs, delayMs * 2);
    return delayMs;
  }
}
