import { lookup } from 'node:dns/promises';

/** All addresses of a name, in the order in which they should be tried. Rejects with the system's error (`ENOTFOUND`, …). */
export type ResolveName = (hostname: string) => Promise<string[]>;

/** The system's resolver: `/etc/hosts`, search domains and what else the machine's owner configured. */
export async function lookUpName(hostname: string): Promise<string[]> {
  const answers = await lookup(hostname, { all: true, order: 'verbatim' });
  return answers.map((answer) => answer.address);
}

export interface NameResolverLimits {
  /**
   * Look-ups at one time. The system's resolver blocks a thread of the pool of four that files, compression and crypto share:
   * names that do not answer must not stop those. A name that waits here spends its own call's timeout.
   */
  parallelMax: number;
  /** How long an answer is used again. It bounds how late a change of DNS is seen, and spares busy workflows a look-up a call. */
  answerLifeMs: number;
  /** The same for a failure, so that a name that does not answer is not asked in a row. */
  failureLifeMs: number;
  entriesMax: number;
}

export const defaultResolverLimits: NameResolverLimits = {
  parallelMax: 2,
  answerLifeMs: 5_000,
  failureLifeMs: 1_000,
  entriesMax: 1_000,
};

interface Entry {
  addresses: Promise<string[]>;
  /** Of `now`; infinite while the look-up goes on. */
  expiresMs: number;
}

/** Puts a limit and a short memory before `resolve`; calls for one name share one look-up. `now` is a monotonic clock in ms. */
export function createNameResolver(
  resolve: ResolveName = lookUpName,
  limits: NameResolverLimits = defaultResolverLimits,
  now: () => number = () => performance.now(),
): ResolveName {
  const entries = new Map<string, Entry>();
  const waiting: (() => void)[] = [];
  let running = 0;

  async function resolveInTurn(hostname: string): Promise<string[]> {
    if (running >= limits.parallelMax) await new Promise<void>((start) => waiting.push(start));
    else running++;
    try {
      return await resolve(hostname);
    } finally {
      // The turn passes to the next in line without being given back, so that nobody can get in between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  }

  function makeRoom(): void {
    for (const [hostname, entry] of entries) {
      if (entries.size < limits.entriesMax) return;
      if (entry.expiresMs !== Number.POSITIVE_INFINITY) entries.delete(hostname);
    }
  }

  return (hostname) => {
    const known = entries.get(hostname);
    if (known !== undefined && known.expiresMs > now()) return known.addresses;
    entries.delete(hostname);
    makeRoom();
    const entry: Entry = { addresses: resolveInTurn(hostname), expiresMs: Number.POSITIVE_INFINITY };
    entries.set(hostname, entry);
    entry.addresses.then(
      () => {
        entry.expiresMs = now() + limits.answerLifeMs;
      },
      () => {
        entry.expiresMs = now() + limits.failureLifeMs;
      },
    );
    return entry.addresses;
  };
}
