/**
 * The second level of the cache: what several servers share. Nothing in it rejects or waits for long; while it is away it says so, and
 * the first level is all there is.
 */
export interface SharedEntries {
  /** Undefined when it is away, null when there is no such entry. */
  get(key: string): Promise<SharedEntry | null | undefined>;
  /** False when it is away. */
  set(key: string, json: string, ttlMs: number): Promise<boolean>;
  delete(key: string): Promise<void>;
  /**
   * Takes the key's lock for as long as `leaseMs`: `free` when it was free and is the caller's now, `taken` when it is somebody's,
   * `away` when nobody can tell.
   */
  lock(key: string, token: string, leaseMs: number): Promise<'free' | 'taken' | 'away'>;
  /** Only what the token has locked. */
  unlock(key: string, token: string): Promise<void>;
  /** Called each time that it is there again. */
  onReturn(listener: () => void): void;
}

export interface SharedEntry {
  json: string;
  /** Until it expires. */
  leftMs: number;
}
