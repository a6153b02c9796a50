import { readdir, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';

/** How soon a change is seen. A folder that takes long to look through is looked at less often. */
const intervalMs = 200;
const idleShare = 10;

/** Endings of workflow files and of what they import. */
const watchedEndings: ReadonlySet<string> = new Set(['.json', '.ts', '.js']);

/** What a file looks like from outside; another one in its place differs too. */
type Snapshot = ReadonlyMap<string, string>;

/**
 * Tells when files of some folders have changed and are quiet again.
 *
 *   quiet ── a look differs from the last one ──► changing ── two looks are the same ──► `onChange`, quiet
 *
 * It looks at the files' numbers again and again, rather than to listen to the system's events: those name what was done, not what
 * is there, and differ by system. An editor that writes a new file and renames it over the old one, a branch that is checked out and
 * a mounted folder all look alike this way, for a fraction of a millisecond a look.
 */
export class FileWatch {
  readonly #paths: readonly string[];
  readonly #onChange: () => Promise<void>;
  #seen: Snapshot = new Map();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(paths: readonly string[], onChange: () => Promise<void>) {
    this.#paths = paths.map((path) => resolve(path));
    this.#onChange = onChange;
  }

  /** Changes from now on are told. */
  async start(): Promise<void> {
    this.#seen = await this.#look();
    this.#schedule(intervalMs, false);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(afterMs: number, isChanging: boolean): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#compare(isChanging), afterMs);
  }

  async #compare(wasChanging: boolean): Promise<void> {
    const beganMs = performance.now();
    const now = await this.#look();
    const pauseMs = Math.max(intervalMs, (performance.now() - beganMs) * idleShare);
    const isChanging = !isSame(now, this.#seen);
    this.#seen = now;
    if (wasChanging && !isChanging) await this.#onChange();
    this.#schedule(pauseMs, isChanging);
  }

  async #look(): Promise<Snapshot> {
    const files = new Map<string, string>();
    for (const path of this.#paths) {
      const kind = await stat(path).then(
        (found) => (found.isDirectory() ? 'folder' : 'file'),
        () => 'nothing',
      );
      // What a file imports lies in its folder.
      await lookInto(kind === 'folder' ? path : dirname(path), files);
    }
    return files;
  }
}

async function lookInto(folder: string, files: Map<string, string>): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.name === 'node_modules' || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await lookInto(path, files);
    else if (watchedEndings.has(extname(entry.name))) {
      const found = await stat(path, { bigint: true }).catch(() => null);
      if (found !== null) files.set(path, `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`);
    }
  }
}

function isSame(one: Snapshot, other: Snapshot): boolean {
  if (one.size !== other.size) return false;
  for (const [path, look] of one) if (other.get(path) !== look) return false;
  return true;
}
