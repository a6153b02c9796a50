import type { Stats } from 'node:fs';
import { type FileHandle, lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { FileFailure, failureOfSystem, systemCodeOf } from './file-failure.ts';
import { parseFilePath } from './file-path.ts';
import { FileWriter, type WriterPlace, type WrittenFile } from './file-writer.ts';
import type { FolderUsage } from './folder-usage.ts';
import { type OpenFolder, withFolder } from './open-folder.ts';

export interface FileEntry {
  path: string;
  name: string;
  type: 'file' | 'folder';
  /** Bytes; 0 of a folder. */
  size: number;
  /** RFC 3339. */
  modifiedAt: string;
}

export interface FilePage {
  entries: FileEntry[];
  /** Where the next page begins; null for the last one. */
  next: string | null;
}

/** A file that is open for reading; to be closed. */
export interface OpenFile {
  handle: FileHandle;
  size: number;
  modifiedAtMs: number;
  /** Another one once the file was replaced or written to. */
  version: string;
}

/**
 * The folder of a workflow, or the one that several share. Folders in it exist as long as there is something in them: they are made by
 * writing a file, and go with their last one.
 */
export class FileArea {
  readonly #folder: OpenFolder;
  readonly #temporary: OpenFolder;
  readonly #usage: FolderUsage;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: OpenFolder, temporary: OpenFolder, usage: FolderUsage) {
    this.#folder = folder;
    this.#temporary = temporary;
    this.#usage = usage;
  }

  /** Rejects with FileFailure. */
  async createWriter(sizeMax: number): Promise<FileWriter> {
    const place: WriterPlace = {
      temporary: this.#temporary,
      target: this.#folder,
      usage: this.#usage,
      inTurn: (change) => this.#inTurn(change),
    };
    await this.#refreshUsage();
    return FileWriter.open(place, sizeMax);
  }

  /** All of a small file at once. Rejects with FileFailure. */
  async write(path: string, content: Uint8Array, overwrite: boolean): Promise<WrittenFile> {
    const parts = parseFilePath(path);
    const writer = await this.createWriter(Number.MAX_SAFE_INTEGER);
    try {
      await writer.write(content);
      return await writer.place(path, parts, overwrite);
    } finally {
      await writer.discard();
    }
  }

  /** Adds to the end of a file, or makes it. Rejects with FileFailure. */
  async append(path: string, content: Uint8Array): Promise<{ path: string; size: number }> {
    const parts = parseFilePath(path);
    await this.#refreshUsage();
    return this.#inTurn(() =>
      this.#within(path, parts, true, async (folder, name) => {
        const isNew = (await lstat(folder.at(name)).catch(() => null)) === null;
        this.#usage.reserve(content.length, isNew ? 1 : 0);
        try {
          const handle = await folder.openToAppend(name);
          try {
            const before = (await handle.stat()).size;
            try {
              await handle.writeFile(content);
              await handle.sync();
            } catch (error) {
              // Half a line is worse than none.
              await handle.truncate(before).catch(() => {});
              throw error;
            }
            this.#usage.store(before + content.length, isNew ? null : before);
            return { path, size: before + content.length };
          } finally {
            await handle.close();
          }
        } finally {
          this.#usage.release(content.length, isNew ? 1 : 0);
        }
      }),
    );
  }

  /** Rejects with FileFailure. */
  open(path: string): Promise<OpenFile> {
    return this.#within(path, parseFilePath(path), false, async (folder, name) => {
      const handle = await folder.openFile(name);
      const found = await handle.stat();
      return { handle, size: found.size, modifiedAtMs: found.mtimeMs, version: versionOf(found) };
    });
  }

  /** Null when there is nothing. Rejects with FileFailure. */
  async stat(path: string): Promise<(FileEntry & { version: string }) | null> {
    try {
      return await this.#within(path, parseFilePath(path), false, async (folder, name) => {
        const found = await lstat(folder.at(name));
        const entry = entryOf(path, name, found);
        return entry === null ? null : { ...entry, version: versionOf(found) };
      });
    } catch (error) {
      if (error instanceof FileFailure && ['not_found', 'not_a_folder'].includes(error.reason)) return null;
      throw error;
    }
  }

  /** What is in a folder, by name. A folder that is not there is empty. Rejects with FileFailure. */
  async list(path: string, after: string, limit: number): Promise<FilePage> {
    const parts = parseFilePath(path, true);
    const prefix = parts.length === 0 ? '' : `${parts.join('/')}/`;
    try {
      return await withFolder(this.#folder, parts, false, async (folder) => {
        const names = (await readdir(folder.path)).filter((name) => name > after).sort(byCodeUnits);
        const entries: FileEntry[] = [];
        let next: string | null = null;
        for (const [index, name] of names.entries()) {
          if (entries.length === limit) {
            next = names[index - 1] as string;
            break;
          }
          const found = await lstat(folder.at(name)).catch(() => null);
          const entry = found === null ? null : entryOf(`${prefix}${name}`, name, found);
          if (entry !== null) entries.push(entry);
        }
        return { entries, next };
      });
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return { entries: [], next: null };
      throw failureOfSystem(error, path);
    }
  }

  /** False when there was no file. Rejects with FileFailure. */
  async delete(path: string): Promise<boolean> {
    const parts = parseFilePath(path);
    try {
      await this.#inTurn(async () => {
        const bytes = await this.#within(path, parts, false, async (folder, name) => {
          const found = await lstat(folder.at(name));
          if (found.isDirectory())
            throw new FileFailure('not_a_file', `${JSON.stringify(path)} is a folder: delete what is in it`);
          await unlink(folder.at(name));
          return found.size;
        });
        this.#usage.remove(bytes);
        await this.#removeEmpty(parts.slice(0, -1));
      });
      return true;
    } catch (error) {
      if (error instanceof FileFailure && ['not_found', 'not_a_folder'].includes(error.reason)) return false;
      throw error;
    }
  }

  async #removeEmpty(parts: string[]): Promise<void> {
    for (let left = parts; left.length > 0; left = left.slice(0, -1)) {
      const name = left.at(-1) as string;
      const removed = await withFolder(this.#folder, left.slice(0, -1), false, (folder) => rmdir(folder.at(name))).then(
        () => true,
        () => false,
      );
      if (!removed) return;
    }
  }

  async #refreshUsage(): Promise<void> {
    try {
      await this.#usage.refresh();
    } catch (error) {
      throw failureOfSystem(error, '');
    }
  }

  /** `use` gets the folder that the path's last part is in. */
  async #within<T>(
    path: string,
    parts: readonly string[],
    create: boolean,
    use: (folder: OpenFolder, name: string) => Promise<T>,
  ): Promise<T> {
    try {
      const name = parts.at(-1) as string;
      return await withFolder(this.#folder, parts.slice(0, -1), create, (folder) => use(folder, name));
    } catch (error) {
      throw failureOfSystem(error, path);
    }
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(change);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Somebody deleted the folder on the host. */
  isGone(): Promise<boolean> {
    return this.#folder.isGone();
  }
}

/** Null for what is neither a file nor a folder: workflows do not see it. */
function entryOf(path: string, name: string, found: Stats): FileEntry | null {
  if (!found.isFile() && !found.isDirectory()) return null;
  const isFile = found.isFile();
  return {
    path,
    name,
    type: isFile ? 'file' : 'folder',
    size: isFile ? found.size : 0,
    modifiedAt: found.mtime.toISOString(),
  };
}

function versionOf(found: Stats): string {
  return `${found.ino.toString(36)}-${found.size.toString(36)}-${Math.round(found.mtimeMs * 1000).toString(36)}`;
}

function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
