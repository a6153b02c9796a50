/**
 * The gate in front of everything that takes memory: the bytes of bodies and answers held here, with those that the engine, the
 * runners and the store hold. Above the limit a request is refused at once, so that overload costs a refusal and not the process.
 */
export class Admission {
  readonly #bytesMax: number;
  readonly #bytesElsewhere: () => number;
  #bytes = 0;

  constructor(bytesMax: number, bytesElsewhere: () => number) {
    this.#bytesMax = bytesMax;
    this.#bytesElsewhere = bytesElsewhere;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the bytes if they fit; false: nothing was taken. */
  reserve(bytes: number): boolean {
    if (this.#bytes + bytes + this.#bytesElsewhere() > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Takes bytes that exist already and cannot be refused. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}
