import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import type { LearnedTimes } from './workflow-profile.ts';

/** Its name in the data folder. */
export const learnedTimesFile = 'learned-times.json';

const format = 1;
const writeIntervalMs = 60_000;
/** Workflows in the file. Sum: 20,000 entries of about 120 bytes are 2.4 MB. */
const workflowsMax = 20_000;

interface FileContent {
  format: typeof format;
  workflows: Record<string, [startMs: number, deliverMs: number, samples: number]>;
}

/**
 * Keeps what the dispatcher learned of each workflow over restarts, in a file of the data folder. Not in the database: they are the
 * times of this machine, two servers with one database have different ones; and they are needed, and can be kept, while PostgreSQL is away.
 * They are only hints. A file that is missing or cannot be read costs each workflow a few runs in the slow lane.
 */
export class LearnedTimesFile {
  readonly #path: string;
  readonly #log: { warn(message: string): void };
  #timer: NodeJS.Timeout | null = null;
  #learned: (() => ReadonlyMap<string, LearnedTimes>) | null = null;

  constructor(path: string, log: { warn(message: string): void }) {
    this.#path = path;
    this.#log = log;
  }

  read(): Map<string, LearnedTimes> {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      return new Map();
    }
    try {
      return parseTimes(JSON.parse(text));
    } catch {
      this.#log.warn(`${this.#path} is not a file of learned times: what workflows take is learned anew`);
      return new Map();
    }
  }

  /** Writes what was learned once a minute, and at `close`. */
  keep(learned: () => ReadonlyMap<string, LearnedTimes>): void {
    this.#learned = learned;
    this.#timer = setInterval(() => void this.#write(learned()), writeIntervalMs);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#learned === null) return;
    const draft = `${this.#path}.closing`;
    try {
      writeFileSync(draft, textOf(this.#learned()), { mode: 0o600 });
      renameSync(draft, this.#path);
    } catch (error) {
      this.#sayNotWritten(error);
    }
  }

  async #write(learned: ReadonlyMap<string, LearnedTimes>): Promise<void> {
    const draft = `${this.#path}.draft`;
    try {
      await writeFile(draft, textOf(learned), { mode: 0o600 });
      await rename(draft, this.#path);
    } catch (error) {
      this.#sayNotWritten(error);
    }
  }

  #sayNotWritten(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#log.warn(`what was learned of the workflows could not be written: ${why}`);
  }
}

function textOf(learned: ReadonlyMap<string, LearnedTimes>): string {
  const content: FileContent = { format, workflows: {} };
  let count = 0;
  for (const [workflow, { startMs, deliverMs, samples }] of learned) {
    if (++count > workflowsMax) break;
    content.workflows[workflow] = [round(startMs), round(deliverMs), samples];
  }
  return JSON.stringify(content);
}

function parseTimes(value: unknown): Map<string, LearnedTimes> {
  const { format: found, workflows } = value as Partial<FileContent>;
  const learned = new Map<string, LearnedTimes>();
  if (found !== format || typeof workflows !== 'object') return learned;
  for (const [workflow, entry] of Object.entries(workflows)) {
    const [startMs, deliverMs, samples] = entry;
    if (isTime(startMs) && isTime(deliverMs) && isTime(samples)) learned.set(workflow, { startMs, deliverMs, samples });
  }
  return learned;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
