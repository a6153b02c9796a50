/** Effects, as the engine sees them: what a workflow does to the world, performed by the gateway. */

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

export interface EffectKind {
  readonly kind: string;
  /**
   * Safe effects change nothing outside and leave at once; before an unsafe one leaves, the execution's row and every result
   * delivered so far are committed.
   */
  isSafe(argumentsJson: string): boolean;
  /** Never rejects: a failure is a result with `ok: false`. */
  perform(call: EffectCall, context: EffectContext): Promise<EffectResult>;
  /** A short text for the history, such as `POST http://127.0.0.1:8080/api/stock`; never a secret. */
  describe(argumentsJson: string): string;
}

export interface Effects {
  /** Undefined for an unknown kind. */
  get(kind: string): EffectKind | undefined;
  close(): Promise<void>;
}
