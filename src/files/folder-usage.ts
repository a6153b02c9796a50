import type { Dirent } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFailure, systemCodeOf } from './file-failure.ts';

export interface FolderLimits {
  bytesMax: number;
  filesMax: number;
}

/** Other servers may write into the same folder: what is there is counted again after this long. */
const countedForMs = 10 * 60_000;

/**
 * What a folder holds, against what it may hold. `reserved` is what is being written and not in its place yet: an upload counts from its
 * first byte, so that a hundred at one time cannot pass the limit together.
 */
export class FolderUsage {
  readonly #path: string;
  readonly #limits: FolderLimits;
  #stored = { bytes: 0, files: 0 };
  #reserved = { bytes: 0, files: 0 };
  #countedAtMs = Number.NEGATIVE_INFINITY;
  #counting: Promise<void> | null = null;

  constructor(path: string, limits: FolderLimits) {
    this.#path = path;
    this.#limits = limits;
  }

  /** To be awaited before the first `reserve` of a call. Rejects with the system's error. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#countedAtMs < countedForMs) return;
    this.#counting ??= this.#count().finally(() => {
      this.#counting = null;
    });
    await this.#counting;
  }

  async #count(): Promise<void> {
    this.#stored = await countOf(this.#path);
    this.#countedAtMs = performance.now();
  }

  get bytes(): number {
    return this.#stored.bytes + this.#reserved.bytes;
  }

  get files(): number {
    return this.#stored.files + this.#reserved.files;
  }

  /** Throws FileFailure `quota_exceeded`; nothing is reserved then. */
  reserve(bytes: number, files: number): void {
    const { bytesMax, filesMax } = this.#limits;
    if (bytes > 0 && this.bytes + bytes > bytesMax) {
      throw new FileFailure(
        'quota_exceeded',
        `the folder would hold more than ${bytesMax} bytes. Delete files, or raise its limit in [files]`,
      );
    }
    if (files > 0 && this.files + files > filesMax) {
      throw new FileFailure(
        'quota_exceeded',
        `the folder would hold more than ${filesMax} files. Delete files, or raise its limit in [files]`,
      );
    }
    this.#reserved.bytes += bytes;
    this.#reserved.files += files;
  }

  release(bytes: number, files: number): void {
    this.#reserved.bytes -= bytes;
    this.#reserved.files -= files;
  }

  /** A file is in its place. `replacedBytes` of the one that was there; null when there was none. */
  store(bytes: number, replacedBytes: number | null): void {
    this.#stored.bytes += bytes - (replacedBytes ?? 0);
    this.#stored.files += replacedBytes === null ? 1 : 0;
  }

  remove(bytes: number): void {
    this.#stored.bytes = Math.max(0, this.#stored.bytes - bytes);
    this.#stored.files = Math.max(0, this.#stored.files - 1);
  }
}

async function countOf(path: string): Promise<{ bytes: number; files: number }> {
  const sum = { bytes: 0, files: 0 };
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of entriesOf(folder)) {
      const child = join(folder, entry.name);
      if (entry.isDirectory()) {
        folders.push(child);
        continue;
      }
      // It may be gone by now.
      const found = await lstat(child).catch(() => null);
      if (found === null) continue;
      sum.files++;
      sum.bytes += found.size;
    }
  }
  return sum;
}

async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}
