/** Effects, as the engine sees them: what a workflow does to the world, performed by the gateway. */

import type { EffectTraits } from '../protocol/effect-traits.ts';
import type { ResourceKind } from '../protocol/resources.ts';

/** An effect as a segment issued it. `argumentsJson` is canonical: the same call gives the same text. */
export interface EffectCall {
  kind: string;
  argumentsJson: string;
  /** Of a call whose arguments hold values of secrets by now; absent otherwise. */
  filled?: FilledSecrets;
}

/** The secrets in the arguments of a call. */
export interface FilledSecrets {
  /** The call as messages show it: without values. */
  describedAs: string;
  /** Whether every one of them may be sent there. */
  mayGoTo(url: URL): boolean;
  /** Whether the text holds the value of one, in one of the forms that values are written in. */
  isIn(text: string): boolean;
  /** For bytes that go past the result, such as into a file. */
  redactBytes(): ByteRedaction;
}

/** Takes the values of secrets out of a stream of bytes; a value may lie in several pieces. */
export interface ByteRedaction {
  /** What is certain by now. */
  push(piece: Uint8Array): Buffer;
  /** The rest. */
  end(): Buffer;
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
  /** By what the gateway knows the execution's placeholders; absent where it has no secrets. */
  secrets?: SecretClaims;
}

export interface SecretClaims {
  /** Of the execution: the tokens of its placeholders are drawn from it. */
  seed: string;
  /** Names that the version was published with; null when its code hides them. */
  declared: readonly string[] | null;
}

/** Where a placeholder stands in the arguments of a call. */
export interface SecretPlace {
  /** The argument's name. */
  field: string;
  /** The text that it stands in, and the characters of it before the placeholder. */
  text: string;
  at: number;
  fields: Readonly<Record<string, unknown>>;
}

/** What comes back into the VM, and what the journal keeps: JSON text, the result or the error `{ code, message, … }`. */
export interface EffectResult {
  ok: boolean;
  json: string;
  /**
   * What the journal keeps instead of `json`, made by `keptJson`: for what is too much to keep, and can be made again (`restore`). Absent:
   * `json` itself.
   */
  kept?: string;
}

const keptPrefix = '{"$kept":';

/** What a result is kept as that is made again when it is needed. */
export function keptJson(piece: unknown): string {
  return `${keptPrefix}${JSON.stringify(piece)}}`;
}

export function isKeptJson(json: string): boolean {
  return json.startsWith(keptPrefix);
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
  /**
   * Makes a result again whose `kept` form was recorded, for a replay: the same `kept` means the same `json`. Never rejects. Absent:
   * results have no such form.
   */
  restore?(call: EffectCall, context: EffectContext): Promise<EffectResult>;
  /** Of a result that is `ok`; a failure says it of itself in `retryable` and `retryAfterMs`. Default: it has succeeded. */
  verdictOf?(result: EffectResult): EffectVerdict;
  /** What calls have in common that may share a kept result. Default: their arguments. */
  cacheTextOf?(call: EffectCall, context: EffectContext): string;
  /** Where a call leads, of an effect whose secrets are bound to hosts; null when that cannot be told. Absent: they are bound to its kind. */
  destinationOf?(argumentsJson: string): URL | null;
  /** A secret's value as it has to be written in that place; null where none may stand. Default: as it is. */
  writeSecret?(value: string, place: SecretPlace): string | null;
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
  stats(): CacheStats;
}

/** State of the cache, asked for at a scrape. */
export interface CacheStats {
  /** Asked for and given without a call. */
  hitsTotal: number;
  missesTotal: number;
  /** Entries that went before their time because there was no room. */
  evictedTotal: number;
  /** In this server's memory. */
  entries: number;
  bytes: number;
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
