/** Long work goes on the event loop in turns, so that requests are answered meanwhile. */
const turnMs = 10;

export class Turns {
  #endMs = performance.now() + turnMs;

  /** Waits for the others when the turn is over; call it between two pieces of work. */
  async next(): Promise<void> {
    if (performance.now() < this.#endMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#endMs = performance.now() + turnMs;
  }
}
