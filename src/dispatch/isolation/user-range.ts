import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface UserRange {
  first: number;
  count: number;
}

/**
 * A range that no distribution, container manager or directory gives out (systemd's list of ranges has it as unused). So large that a
 * number drawn from it meets no other runner of this machine, whichever server that belongs to.
 */
const wide: UserRange = { first: 0x7000_0000, count: 0x0800_0000 };
/** In a container with 65,536 users: above what packages and people get, below `nobody`. */
const narrow: UserRange = { first: 64_000, count: 1_500 };

/** Null when neither is there. */
export function userRange(): UserRange | null {
  const mapped = readMap();
  return [wide, narrow].find(({ first, count }) => mapped.some((map) => covers(map, first, count))) ?? null;
}

/** A user and group for one runner, which none of `taken` is. */
export function drawUser({ first, count }: UserRange, taken: ReadonlySet<number>): number {
  for (;;) {
    const drawn = first + randomInt(count);
    if (!taken.has(drawn)) return drawn;
  }
}

function covers(map: UserRange, first: number, count: number): boolean {
  return map.first <= first && first + count <= map.first + map.count;
}

/** The users that exist for us: in a user namespace those that are mapped into it. */
function readMap(): UserRange[] {
  try {
    return readFileSync('/proc/self/uid_map', 'latin1')
      .trim()
      .split('\n')
      .map((line) => {
        const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
        return { first, count };
      });
  } catch {
    // No such thing on this system: every user exists.
    return [{ first: 0, count: 0x8000_0000 }];
  }
}
