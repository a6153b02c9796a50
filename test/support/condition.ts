import { setTimeout as delay } from 'node:timers/promises';

/** Waits until `isMet`; fails with `what` after the time. */
export async function until(what: string, isMet: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isMet())) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
