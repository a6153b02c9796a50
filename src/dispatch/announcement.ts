import { closeSync, readSync, writeSync } from 'node:fs';
import { openMemoryFile } from './memory-file.ts';

/**
 * The eight bytes in which a runner announces the run that it is about to enter. They are in a file in memory that both processes
 * hold open, so that they survive the runner's death, at the cost of one small write a segment (1.4 us).
 */
export class Announcement {
  readonly fd = openMemoryFile('announcement');
  readonly #bytes = new Float64Array(1);

  constructor() {
    writeSync(this.fd, this.#bytes, 0, 8, 0);
  }

  /** The token of the run whose segment is being executed, or 0. */
  read(): number {
    return readSync(this.fd, this.#bytes, 0, 8, 0) === 8 ? (this.#bytes[0] as number) : 0;
  }

  close(): void {
    closeSync(this.fd);
  }
}
