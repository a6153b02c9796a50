/** Effects, as the engine sees them: what a workflow does to the world, performed by the gateway. */

import type { EffectTraits } from '../protocol/effect-traits.ts';
import type { ResourceKind } from '../protocol/resources.ts';

/** An effect as a segment issued it. `argumentsJson` is canonical: the same call gives the same text. */
export interface EffectCall {
  kind: string;
  argumentsJson: string;
}

export interface EffectContext {
  executionId: string;
  workflow: string;
  /** Sent as `Idempotency-Key` on every method but GET and HEAD; the same on every repeat of the call. */
  idempotencyKey: string;
  /**
   * True when no gateway can have sent this call before: the execution was never resumed. What leaves a resumed one without a record
   * may be a repeat.
   */
  isFirstSending: boolean;
  /** Aborted when the execution ends before the effect does. */
  signal: AbortSignal;
}

/** What comes back into the VM, and what the journal keeps: JSON text, the result or the error `{ code, message, … }`. */
export interface EffectResult {
  ok: boolean;
  json: string;
}

/** What a result means to who retries or caches it. */
export interface EffectVerdict {
  /** False for an answer that says no, such as a status of 503, although there is an answer. */
  succeeded: boolean;
  /** The same call may succeed when it is repeated as it is. */
  retryable: boolean;
  /** What the other side asks to wait; null when it does not say. */
  retryAfterMs: number | null;
}

/** What performs an effect. Traits that it does not say are: no resource, not cacheable, not confined. */
export interface EffectKind extends Readonly<Partial<Omit<EffectTraits, 'kind'>>> {
  readonly kind: string;
  /**
   * Safe effects change nothing outside and leave at once; before an unsafe one leaves, the execution's row and every result
   * delivered so far are committed.
   */
  isSafe(argumentsJson: string): boolean;
  /** Never rejects: a failure is a result with `ok: false`. */
  perform(call: EffectCall, context: EffectContext): Promise<EffectResult>;
  /** Of a result that is `ok`; a failure says it of itself in `retryable` and `retryAfterMs`. Default: it has succeeded. */
  verdictOf?(result: EffectResult): EffectVerdict;
  /** A short text for the history, such as `POST http://127.0.0.1:8080/api/stock`; never a secret. */
  describe(argumentsJson: string): string;
}

export interface Effects {
  /** Undefined for an unknown kind. */
  get(kind: string): EffectKind | undefined;
  /** Whether the configuration has that resource and grants it to the workflow. Absent: there are no resources. */
  isGranted?(kind: ResourceKind, name: string, workflow: string): boolean;
  /** For nodes with `cache`. Absent: they are performed each time. */
  readonly cache?: EffectCache;
  close(): Promise<void>;
}

/** Keeps results of effects. */
export interface EffectCache {
  /**
   * The kept result under that key, or what `load` gives. Several that ask for one key at a time share one `load`. Only what
   * `load` says is worth keeping is kept. Rejects only as `load` does.
   * @param ttlMs null: the configured default.
   */
  wrap(key: string, ttlMs: number | null, load: () => Promise<CacheableResult>): Promise<EffectResult>;
}

export interface CacheableResult {
  result: EffectResult;
  isKept: boolean;
}

/** An effect as a server has it. */
export interface ClosableEffect extends EffectKind {
  /** Ends what is under way as aborted, and lets go of every connection. */
  close(): void | Promise<void>;
}
