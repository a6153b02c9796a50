import type { EffectOptions } from '../protocol/effect-options.ts';

/**
 * What the kernel lends to the guest part of an effect. A part is a function `(host)` that is evaluated once in a realm from its source
 * text: it may use nothing from outside its own body but its parameter, and it keeps no state of its own, since every run of a VM
 * shares it.
 */
export interface EffectHost {
  /** What a member throws, or rejects with, for a call that is wrong: the step fails as `node_failed` unless the author catches it. */
  error(message: string): Error;
  /** Milliseconds of `200ms`, `1h30m` or a number. Throws for anything else, naming `what`. */
  durationMs(given: unknown, what: string): number;
  /** Throws `result_not_json` or `output_too_large`, naming the place in `what`. */
  toJson(value: unknown, what: string): string;
  /** A value as messages show it. */
  textOf(value: unknown): string;
  /**
   * What an author says of how a call is made (`{ timeout, retry, cache, idempotencyKey, atMostOnce }`); null when nothing. Other keys
   * are left to the part.
   */
  optionsOf(given: unknown, timeoutMsDefault: number | null): EffectOptions | null;
  /** Closes a class whose instances go to authors: frozen, and `constructor` leads nowhere. */
  close(Class: abstract new (...given: never[]) => unknown): void;
}

/** One step's way to effects. A member of `ctx` holds it in a private field: authors must not reach it. */
export interface EffectStep {
  /**
   * Issues an effect. Rejects with what the gateway says went wrong (`effect_failed` with `reason` and `retryable`), with what
   * `decode` throws, and when the step has ended.
   * @param argumentsJson canonical: the same call gives the same text.
   * @param decode of the result's JSON text; default `JSON.parse`.
   */
  issue(
    kind: string,
    argumentsJson: string,
    options?: EffectOptions | null,
    decode?: (json: string) => unknown,
  ): Promise<unknown>;
  /** As `issue`, for a call that can be taken back; `answer` stays as it is then. */
  start(
    kind: string,
    argumentsJson: string,
    options?: EffectOptions | null,
    decode?: (json: string) => unknown,
  ): { answer: Promise<unknown>; cancel(): void };
  /** The segment's time, ms since the epoch. */
  nowMs(): number;
  /** An unsigned 32-bit integer of the step's own random numbers. */
  randomWord(): number;
}

/** What a part brings. */
export interface EffectPart {
  /** The value of `ctx.NAME` in a step; a function may be one. Made anew at each access, so that no run leaves anything in it. */
  member?(step: EffectStep): unknown;
  /** What a node's rendered fields become, instead of being the arguments as they are. */
  node?(step: EffectStep, fields: Record<string, unknown>, options: EffectOptions): Promise<unknown>;
  /** Of a node's result, instead of `JSON.parse`. Without `node`. */
  decode?(json: string): unknown;
}
