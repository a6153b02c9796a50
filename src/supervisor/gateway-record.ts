import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processStartMark } from '../store/embedded/process-identity.ts';
import { killGroup } from './gateway-process.ts';

interface RecordContent {
  pid: number;
  startMark: string;
  /** Incarnations that are dead once this process is, oldest first. */
  incarnations: string[];
  /** Where the server listens; null in the record of an older version. */
  address: ListenAddress | null;
}

interface ListenAddress {
  host: string;
  port: number;
}

const pollMs = 20;
const endTimeoutMs = 5_000;

/**
 * `gateway.json` in the data folder: which gateway runs, and which incarnations its end leaves without an owner. It outlives a
 * killed supervisor, so that the next one ends what that one left behind and its executions go on at once, not after the lease.
 */
export class GatewayRecord {
  readonly #path: string;
  #dead: string[] = [];
  #address: ListenAddress | null = null;
  #current: { pid: number; startMark: string; incarnation: string | null } | null = null;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'gateway.json');
  }

  /** Incarnations whose gateway has ended and that nobody took over yet. */
  get deadIncarnations(): string[] {
    return [...this.#dead];
  }

  /** Ends a gateway that an earlier supervisor left running. To be called while the data folder is locked. */
  async adopt(): Promise<void> {
    const left = this.#read();
    if (left === null) return;
    const isRunning = (): boolean => processStartMark(left.pid) === left.startMark;
    if (isRunning()) killGroup(left.pid);
    const deadlineMs = performance.now() + endTimeoutMs;
    while (isRunning()) {
      if (performance.now() > deadlineMs)
        throw new Error(`the gateway of an earlier server, pid ${left.pid}, does not end`);
      await delay(pollMs);
    }
    this.#dead = left.incarnations;
  }

  /** Told to whoever finds the folder taken. */
  listens(host: string, port: number): void {
    this.#address = { host, port };
  }

  /** Where the server that holds the folder listens; null while its gateway does not run: then the record is of an earlier one. */
  get address(): { host: string; port: number } | null {
    const record = this.#read();
    return record !== null && processStartMark(record.pid) === record.startMark ? record.address : null;
  }

  started(pid: number): void {
    this.#current = { pid, startMark: processStartMark(pid) ?? '', incarnation: null };
    this.#write();
  }

  became(incarnation: string): void {
    if (this.#current === null) return;
    this.#current.incarnation = incarnation;
    this.#write();
  }

  ended(): void {
    const incarnation = this.#current?.incarnation ?? null;
    if (incarnation !== null) this.#dead.push(incarnation);
    this.#current = null;
  }

  /** The running gateway owns now what these left. */
  tookOver(incarnations: string[]): void {
    this.#dead = this.#dead.filter((id) => !incarnations.includes(id));
    this.#write();
  }

  /** After an orderly end: nothing is left to take over. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }

  #read(): RecordContent | null {
    try {
      const value = JSON.parse(readFileSync(this.#path, 'utf8')) as Partial<RecordContent> | null;
      if (typeof value?.pid !== 'number' || typeof value.startMark !== 'string' || !Array.isArray(value.incarnations))
        return null;
      const { pid, startMark, incarnations, address } = value;
      return { pid, startMark, incarnations: incarnations.map(String), address: address ?? null };
    } catch {
      // None, or one cut off by a full disk: the lease is the fall-back.
      return null;
    }
  }

  #write(): void {
    const current = this.#current;
    if (current === null) return;
    const incarnations = current.incarnation === null ? this.#dead : [...this.#dead, current.incarnation];
    const { pid, startMark } = current;
    const content: RecordContent = { pid, startMark, incarnations, address: this.#address };
    const draft = `${this.#path}.draft`;
    writeFileSync(draft, JSON.stringify(content), { mode: 0o600 });
    renameSync(draft, this.#path);
  }
}
