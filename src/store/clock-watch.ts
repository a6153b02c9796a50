/**
 * Whether PostgreSQL's clock may be believed when data is dropped by age. A clock that is set a year ahead would make everything
 * old. It cannot be told from a year that passed while nobody ran; but a step that happens before our eyes can: the clock then
 * moves otherwise than the monotonic one.
 */

/** Adjustments by NTP stay far below; so do leap seconds and a busy machine. */
const stepMs = 10 * 60_000;
/** Long enough for somebody to see the message and set the clock right. */
const distrustMs = 24 * 3_600_000;

export class ClockWatch {
  readonly #monotonicMs: () => number;
  #lastMs: number | null = null;
  #lastMonotonicMs = 0;
  #distrustedUntilMs = Number.NEGATIVE_INFINITY;

  /** @param monotonicMs another clock in tests. */
  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Tells it what PostgreSQL's clock shows now.
   * @param nowMs ms since the epoch.
   * @returns the ms by which it was stepped since the last call, or 0.
   */
  observe(nowMs: number): number {
    const monotonicMs = this.#monotonicMs();
    const movedMs = this.#lastMs === null ? 0 : nowMs - this.#lastMs - (monotonicMs - this.#lastMonotonicMs);
    this.#lastMs = nowMs;
    this.#lastMonotonicMs = monotonicMs;
    if (Math.abs(movedMs) < stepMs) return 0;
    this.#distrustedUntilMs = monotonicMs + distrustMs;
    return movedMs;
  }

  /** False for a day after a step. */
  get isTrusted(): boolean {
    return this.#monotonicMs() >= this.#distrustedUntilMs;
  }
}
