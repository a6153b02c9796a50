import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Ctrl-C arrives more than once: from the terminal, from npm and from the launcher, which forward it. What comes this soon after
 * the first signal is its echo, not the second thought of a person.
 */
const echoMs = 250;

/** Calls `onFirst` at the first signal to stop, `onSecond` with the exit code (128 + number) at the next one. */
export function onStopSignals(onFirst: () => void, onSecond: (exit: number) => void): void {
  let firstAtMs: number | null = null;
  for (const signal of signals) {
    process.on(signal, () => {
      if (firstAtMs === null) {
        firstAtMs = performance.now();
        onFirst();
      } else if (performance.now() - firstAtMs > echoMs) {
        onSecond(128 + constants.signals[signal]);
      }
    });
  }
}
