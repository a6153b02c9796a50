/** Work that must not overlap: each piece begins when the one before it has settled. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles as `work` does. */
  add<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
