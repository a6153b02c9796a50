import { createHash, type Hash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { FileFailure, failureOfSystem, systemCodeOf } from './file-failure.ts';
import type { FolderUsage } from './folder-usage.ts';
import { type OpenFolder, withFolder } from './open-folder.ts';

export interface WrittenFile {
  /** As the workflow named it. */
  path: string;
  size: number;
  /** Hex. */
  sha256: string;
}

/** Where a writer writes, and whither. */
export interface WriterPlace {
  /** Folder of temporary files, on the same file system. */
  temporary: OpenFolder;
  target: OpenFolder;
  usage: FolderUsage;
  /** Runs changes of one folder one after the other. */
  inTurn<T>(change: () => Promise<T>): Promise<T>;
}

/** Another writer or a deletion can take a folder away in between: it is made again so often. */
const placingAttemptsMax = 5;

/**
 * Writes one file, in pieces, beside its place: nobody sees a part of it, and what was there stays until `place`.
 *
 *   open → placed     `place`: on the disk, then renamed into its place
 *   open → discarded  `discard`, or a failure: nothing is left of it
 */
export class FileWriter {
  readonly #place: WriterPlace;
  readonly #handle: FileHandle;
  readonly #name: string;
  readonly #sizeMax: number;
  readonly #hash: Hash = createHash('sha256');
  #size = 0;
  #isOpen = true;

  private constructor(place: WriterPlace, handle: FileHandle, name: string, sizeMax: number) {
    this.#place = place;
    this.#handle = handle;
    this.#name = name;
    this.#sizeMax = sizeMax;
  }

  /** Rejects with FileFailure. */
  static async open(place: WriterPlace, sizeMax: number): Promise<FileWriter> {
    const name = randomUUID();
    place.usage.reserve(0, 1);
    try {
      const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants;
      const handle = await open(place.temporary.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      return new FileWriter(place, handle, name, sizeMax);
    } catch (error) {
      place.usage.release(0, 1);
      throw failureOfSystem(error, '');
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Not to be called again before it has resolved. Rejects with FileFailure; the file is to be discarded then. */
  async write(piece: Uint8Array): Promise<void> {
    const size = this.#size + piece.length;
    if (size > this.#sizeMax) {
      throw new FileFailure('too_large', `the file is larger than ${this.#sizeMax} bytes, which is what is taken here`);
    }
    this.#place.usage.reserve(piece.length, 0);
    this.#size = size;
    this.#hash.update(piece);
    try {
      for (let at = 0; at < piece.length; ) {
        const { bytesWritten } = await this.#handle.write(piece, at, piece.length - at);
        at += bytesWritten;
      }
    } catch (error) {
      throw failureOfSystem(error, '');
    }
  }

  /** Rejects with FileFailure; nothing is left of the file then. */
  async place(path: string, parts: readonly string[], overwrite: boolean): Promise<WrittenFile> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await this.#place.inTurn(() => this.#moveTo(parts, overwrite));
    } catch (error) {
      await this.discard();
      throw failureOfSystem(error, path);
    }
    this.#isOpen = false;
    this.#place.usage.release(this.#size, 1);
    return { path, size: this.#size, sha256: this.#hash.digest('hex') };
  }

  async #moveTo(parts: readonly string[], overwrite: boolean): Promise<void> {
    const { temporary, target, usage } = this.#place;
    const name = parts.at(-1) as string;
    for (let attempts = 1; ; attempts++) {
      try {
        const replaced = await withFolder(target, parts.slice(0, -1), true, async (folder) => {
          const found = await lstat(folder.at(name)).catch(() => null);
          if (overwrite) {
            await rename(temporary.at(this.#name), folder.at(name));
          } else {
            // A rename replaces; a second name does not.
            await link(temporary.at(this.#name), folder.at(name));
            await unlink(temporary.at(this.#name));
          }
          await folder.sync();
          return found;
        });
        usage.store(this.#size, replaced === null ? null : replaced.size);
        return;
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOENT' || attempts === placingAttemptsMax) throw error;
      }
    }
  }

  /** Removes what was written, unless it is in its place. Never rejects. */
  async discard(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#place.usage.release(this.#size, 1);
    await this.#handle.close().catch(() => {});
    // What cannot be removed now is removed with what is old (`FileRoot`).
    await unlink(this.#place.temporary.at(this.#name)).catch(() => {});
  }
}
