import { NflowError } from '../errors.ts';

export interface CircuitBreakerOptions {
  /** Crashes in a row that open a circuit; 0: none ever is. */
  crashesMax: number;
  /** How long a workflow is refused before it is tried again. */
  pauseMs: number;
  log: { warn(message: string): void };
}

interface Circuit {
  crashes: number;
  /** Clock of `performance.now()`; 0 while closed. */
  openUntilMs: number;
  /** Since when a probe is under way; 0: none is. */
  probeSinceMs: number;
}

/**
 * Pauses workflows that crash again and again: each crash costs a VM or a whole runner, and their neighbours a moment.
 *
 *   closed ──(crashesMax in a row)──► open ──(pauseMs)──► half open: one run is let through
 *     ▲                                ▲                     │
 *     └──(it ends in any other way)────┼─────────────────────┤
 *                                      └────(it crashes)─────┘
 *
 * Only workflows whose last run crashed are remembered.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #circuits = new Map<string, Circuit>();
  openedTotal = 0;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** Workflows that are paused now, or being tried again. */
  get open(): number {
    let open = 0;
    for (const { openUntilMs } of this.#circuits.values()) if (openUntilMs !== 0) open++;
    return open;
  }

  /** Why a run of the workflow must not start now, or null. Letting one through in the half-open state makes it the probe. */
  refusal(workflow: string, nowMs: number): NflowError | null {
    if (this.#circuits.size === 0) return null;
    const circuit = this.#circuits.get(workflow);
    if (circuit === undefined || circuit.openUntilMs === 0) return null;
    const { pauseMs } = this.#options;
    // A probe that was refused for another reason never tells how it ended.
    const isProbed = circuit.probeSinceMs !== 0 && nowMs - circuit.probeSinceMs < pauseMs;
    if (nowMs >= circuit.openUntilMs && !isProbed) {
      circuit.probeSinceMs = nowMs;
      return null;
    }
    const message = `the last ${circuit.crashes} runs of this workflow crashed: it is paused`;
    return new NflowError('circuit_open', message, {
      workflow,
      remedy: 'see in the history what its runs did before they crashed, and publish a version that does not',
      retryAfterMs: Math.max(0, circuit.openUntilMs - nowMs),
    });
  }

  /** An execution has ended. */
  onEnd(workflow: string, status: string, nowMs: number): void {
    const { crashesMax, pauseMs, log } = this.#options;
    if (status !== 'crashed') {
      if (this.#circuits.size > 0) this.#close(workflow);
      return;
    }
    if (crashesMax === 0) return;
    let circuit = this.#circuits.get(workflow);
    if (circuit === undefined) {
      circuit = { crashes: 0, openUntilMs: 0, probeSinceMs: 0 };
      this.#circuits.set(workflow, circuit);
    }
    circuit.crashes++;
    if (circuit.crashes < crashesMax) return;
    // Runs that had started before may still crash: they prolong the pause, and only the first one opens it.
    if (circuit.openUntilMs === 0) {
      this.openedTotal++;
      log.warn(`workflow ${workflow} is paused for ${pauseMs / 1000} s: its last ${circuit.crashes} runs crashed`);
    }
    circuit.openUntilMs = nowMs + pauseMs;
    circuit.probeSinceMs = 0;
  }

  #close(workflow: string): void {
    const circuit = this.#circuits.get(workflow);
    if (circuit === undefined) return;
    this.#circuits.delete(workflow);
    if (circuit.openUntilMs !== 0)
      this.#options.log.warn(`workflow ${workflow} is no longer paused: a run did not crash`);
  }
}
