import { constants, existsSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFailure, systemCodeOf } from './file-failure.ts';

/**
 * A folder that was opened, and so stays the one that it was, whatever is renamed or linked meanwhile. Names in it are looked up through
 * its descriptor (`/proc/self/fd/N/name` is Linux's `openat`): no part of the way can be swapped for a symbolic link between the check
 * and the use.
 *
 * Elsewhere than on Linux the way is checked part by part and opened by its path: there, who can write to the root on the host
 * itself could win that race. Workflows cannot: they make no links.
 */
export class OpenFolder {
  readonly #handle: FileHandle;
  readonly #path: string;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Opens a folder by its path on the host, which may go through links: it is the operator's. Rejects with the system's error. */
  static async open(path: string): Promise<OpenFolder> {
    return new OpenFolder(await open(path, constants.O_RDONLY | directoryFlag), path);
  }

  /** The path of a name in it, for calls of the file system. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** Its own path, for calls of the file system. */
  get path(): string {
    return hasDescriptorPaths ? `/proc/self/fd/${this.#handle.fd}` : this.#path;
  }

  /** The folder of that name in it, never through a link. Rejects with the system's error. */
  async enter(name: string, create: boolean): Promise<OpenFolder> {
    try {
      return await this.#enter(name);
    } catch (error) {
      if (!create || systemCodeOf(error) !== 'ENOENT') throw error;
    }
    await mkdir(this.at(name), { mode: 0o700 }).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'EEXIST') throw error;
    });
    await this.sync();
    return this.#enter(name);
  }

  async #enter(name: string): Promise<OpenFolder> {
    const path = this.at(name);
    if (!hasDescriptorPaths) await refuseLink(path);
    const handle = await open(path, constants.O_RDONLY | directoryFlag | noFollowFlag);
    return new OpenFolder(handle, join(this.#path, name));
  }

  /** Opens a regular file of that name to read it. Rejects with the system's error, or FileFailure `not_a_file`. */
  async openFile(name: string): Promise<FileHandle> {
    return this.#openRegular(name, constants.O_RDONLY);
  }

  /** Opens a regular file of that name to write at its end; makes it when it is missing. */
  async openToAppend(name: string): Promise<FileHandle> {
    return this.#openRegular(name, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT);
  }

  async #openRegular(name: string, flags: number): Promise<FileHandle> {
    const path = this.at(name);
    // Looked at first, since opening a device can already do something; and again when it is open, since only that counts.
    const found = await lstat(path).catch((error: unknown) => {
      if (systemCodeOf(error) === 'ENOENT' && (flags & constants.O_CREAT) !== 0) return null;
      throw error;
    });
    if (found !== null && !found.isFile() && !found.isSymbolicLink()) throw notRegular(found.isDirectory());
    if (found?.isSymbolicLink()) throw Object.assign(new Error('a symbolic link'), { code: 'ELOOP' });
    // O_NONBLOCK: a pipe that took the file's place must not hold up a thread for ever.
    const handle = await open(path, flags | noFollowFlag | nonBlockingFlag, 0o600);
    try {
      if (!(await handle.stat()).isFile()) throw notRegular(false);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Makes the names in it survive a power cut. */
  async sync(): Promise<void> {
    await this.#handle.sync().catch((error: unknown) => {
      // Windows and some network file systems cannot, and say so.
      if (!['EPERM', 'EINVAL', 'ENOTSUP', 'EISDIR', 'EBADF'].includes(systemCodeOf(error))) throw error;
    });
  }

  /** It was deleted: what is written into it is written nowhere. */
  async isGone(): Promise<boolean> {
    return (await this.#handle.stat()).nlink === 0;
  }

  /** Nothing of it may be under way: its descriptor's number goes to another one. */
  close(): Promise<void> {
    return this.#handle.close();
  }
}

const hasDescriptorPaths = process.platform === 'linux' && existsSync('/proc/self/fd');
// Windows knows none of them.
const { O_DIRECTORY: directoryFlag = 0, O_NOFOLLOW: noFollowFlag = 0, O_NONBLOCK: nonBlockingFlag = 0 } = constants;

async function refuseLink(path: string): Promise<void> {
  if ((await lstat(path)).isSymbolicLink()) throw Object.assign(new Error('a symbolic link'), { code: 'ELOOP' });
}

function notRegular(isFolder: boolean): FileFailure {
  return new FileFailure('not_a_file', isFolder ? 'it is a folder' : 'it is a device, a pipe or a socket, and no file');
}

/** Runs `use` with the folder at the end of these names below `start`; closes what it opened. */
export async function withFolder<T>(
  start: OpenFolder,
  names: readonly string[],
  create: boolean,
  use: (folder: OpenFolder) => Promise<T>,
): Promise<T> {
  let folder = start;
  try {
    for (const name of names) {
      const next = await folder.enter(name, create);
      if (folder !== start) await folder.close();
      folder = next;
    }
    return await use(folder);
  } finally {
    if (folder !== start) await folder.close();
  }
}
