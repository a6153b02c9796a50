import { lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { isGranted } from '../config/grants.ts';
import { FileArea } from './file-area.ts';
import { FileFailure, failureOfSystem } from './file-failure.ts';
import { type FolderLimits, FolderUsage } from './folder-usage.ts';
import { OpenFolder } from './open-folder.ts';

/** Which folder a path is in: the workflow's own, or the one that those share that are granted it. */
export const fileAreas = ['own', 'shared'] as const;
export type FileAreaName = (typeof fileAreas)[number];

/** A temporary file that nothing was written to for this long is of a server that ended in the middle. */
const temporaryAgeMaxMs = 60 * 60_000;
const workflowName = /^[a-z][a-z0-9-]{0,62}$/;

/** Where the files of a server are, by its configuration and its data folder. */
export function fileRootPath({ files }: Pick<Config, 'files'>, dataDir: string): string {
  return resolve(files.root ?? join(dataDir, 'files'));
}

interface Folders {
  root: OpenFolder;
  temporary: OpenFolder;
}

/**
 * The files of all workflows.
 *
 *   ROOT/workflows/NAME/…   those of one workflow
 *   ROOT/shared/…           those of the workflows in `[files] shared_workflows`
 *   ROOT/temporary/…        what is being written
 *
 * Nothing of it is made before a workflow asks for it.
 */
export class FileRoot {
  readonly #path: string;
  readonly #config: Config['files'];
  readonly #areas = new Map<string, Promise<FileArea>>();
  #folders: Promise<Folders> | null = null;
  /** To be closed in the end; not before, as what is under way goes by their descriptors. */
  readonly #opened: { close(): Promise<void> }[] = [];

  /** @param path of the host. */
  constructor(path: string, config: Config['files']) {
    this.#path = path;
    this.#config = config;
  }

  /** The caller has checked that the workflow may use it. Rejects with FileFailure. */
  async area(name: FileAreaName, workflow: string): Promise<FileArea> {
    if (!workflowName.test(workflow)) {
      throw new FileFailure('invalid_path', 'this workflow has a name that no folder can have');
    }
    if (name === 'shared' && !isGranted(this.#config.sharedWorkflows, workflow)) {
      throw new FileFailure('access_denied', 'the workflow is not named in [files] shared_workflows');
    }
    const key = name === 'shared' ? '' : workflow;
    const area = await this.#areaOf(key);
    if (!(await area.isGone())) return area;
    // Deleted on the host, perhaps with all the rest.
    this.#areas.delete(key);
    this.#folders = null;
    return this.#areaOf(key);
  }

  /** @param key the name of the workflow; empty for the shared folder. */
  #areaOf(key: string): Promise<FileArea> {
    let area = this.#areas.get(key);
    if (area === undefined) {
      area = this.#openArea(key === '' ? ['shared'] : ['workflows', key]);
      this.#areas.set(key, area);
      // A root that comes back, such as a network drive, is tried again.
      area.catch(() => this.#areas.delete(key));
    }
    return area;
  }

  async #openArea(parts: readonly [string, string?]): Promise<FileArea> {
    try {
      const { root, temporary } = await this.#open();
      const [first, second] = parts;
      let folder = await root.enter(first, true);
      if (second !== undefined) {
        const outer = folder;
        folder = await outer.enter(second, true).finally(() => outer.close());
      }
      this.#opened.push(folder);
      return new FileArea(folder, temporary, new FolderUsage(folder.path, this.#limitsOf(first)));
    } catch (error) {
      throw failureOfSystem(error, '');
    }
  }

  #limitsOf(kind: string): FolderLimits {
    const { workflowBytesMax, workflowFilesMax, sharedBytesMax, sharedFilesMax } = this.#config;
    return kind === 'shared'
      ? { bytesMax: sharedBytesMax, filesMax: sharedFilesMax }
      : { bytesMax: workflowBytesMax, filesMax: workflowFilesMax };
  }

  #open(): Promise<Folders> {
    this.#folders ??= this.#openFolders().catch((error: unknown) => {
      this.#folders = null;
      throw error;
    });
    return this.#folders;
  }

  async #openFolders(): Promise<Folders> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const root = await OpenFolder.open(this.#path);
    this.#opened.push(root);
    const temporary = await root.enter('temporary', true);
    this.#opened.push(temporary);
    await removeOld(temporary);
    return { root, temporary };
  }

  /** Nothing may be under way. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#areas.values());
    this.#areas.clear();
    this.#folders = null;
    for (const opened of this.#opened.splice(0)) await opened.close();
  }
}

/** By age, since other servers may be writing here now. */
async function removeOld(temporary: OpenFolder): Promise<void> {
  for (const name of await readdir(temporary.path)) {
    const path = temporary.at(name);
    const found = await lstat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > temporaryAgeMaxMs) await unlink(path).catch(() => {});
  }
}
