import { createHash } from 'node:crypto';
import type {
  EffectCache,
  EffectCall,
  EffectContext,
  EffectKind,
  EffectResult,
  EffectVerdict,
} from '../effects/port.ts';
import type { EffectOptions, RetryOptions } from '../protocol/effect-options.ts';

/** How a call ended, and how often it was made: 0 when its result was kept. */
export interface AttemptedResult {
  result: EffectResult;
  attempts: number;
}

/** What attempts need of their execution. */
export interface AttemptHost {
  cache: EffectCache | undefined;
  /** False while this server cannot tell whether it still owns the execution: nothing may leave. */
  mayAct(): boolean;
  /** `performance.now()` after which no attempt makes sense. */
  deadlineMs: number;
}

/** How often it is looked whether an attempt may leave. */
const mayActIntervalMs = 50;

/**
 * Makes a call as its options say: from the cache, with a time for each attempt, again after a failure that may pass. The waits are kept
 * here, in the gateway: to the program, and to the journal, it is one effect with one result. Never rejects.
 */
export async function performEffect(
  kind: EffectKind,
  call: EffectCall,
  context: EffectContext,
  options: EffectOptions,
  host: AttemptHost,
): Promise<AttemptedResult> {
  const { cache, ttlMs, key } = { cache: host.cache, ttlMs: null, key: null, ...options.cache };
  if (options.cache === null || cache === undefined || kind.isCacheable !== true) {
    return attempt(kind, call, context, options, host);
  }
  const counted: { own: AttemptedResult | null } = { own: null };
  const result = await cache.wrap(cacheKeyOf(kind, call, context, key), ttlMs, async () => {
    counted.own = await attempt(kind, call, context, options, host);
    return { result: counted.own.result, isKept: verdictOf(kind, counted.own.result).succeeded };
  });
  if (counted.own !== null) return counted.own;
  // Another execution asked for it, and ended before its answer came: that is no answer to this one.
  if (wasAborted(result) && !context.signal.aborted) return attempt(kind, call, context, options, host);
  return { result, attempts: 0 };
}

/** A workflow's own: what one keeps, no other is given. */
function cacheKeyOf(kind: EffectKind, call: EffectCall, context: EffectContext, key: string | null): string {
  const own = createHash('sha256')
    .update(key ?? kind.cacheTextOf?.(call, context) ?? call.argumentsJson)
    .digest('base64url');
  return `${context.workflow}\n${call.kind}\n${key === null ? 'arguments' : 'key'}\n${own}`;
}

async function attempt(
  kind: EffectKind,
  call: EffectCall,
  context: EffectContext,
  options: EffectOptions,
  host: AttemptHost,
): Promise<AttemptedResult> {
  const attemptsMax = options.retry?.attempts ?? 1;
  for (let attempts = 1; ; attempts++) {
    const attemptContext = attempts === 1 ? context : { ...context, isFirstSending: false };
    const result = await performWithin(kind, call, attemptContext, options.timeoutMs);
    if (options.retry === null || attempts >= attemptsMax || context.signal.aborted) return { result, attempts };
    const verdict = verdictOf(kind, result);
    if (verdict.succeeded || !verdict.retryable) return { result, attempts };
    const waitMs = Math.max(waitAfter(attempts, options.retry), verdict.retryAfterMs ?? 0);
    // It would come too late: what is known now says more than that the time is over.
    if (performance.now() + waitMs >= host.deadlineMs) return { result, attempts };
    await pause(waitMs, context.signal);
    while (!host.mayAct() && !context.signal.aborted) await pause(mayActIntervalMs, context.signal);
    if (context.signal.aborted) return { result, attempts };
  }
}

/** The result; where several attempts were all in vain it says how many, for the workflow's `error`. */
export function withAttempts(kind: EffectKind, { result, attempts }: AttemptedResult): EffectResult {
  if (attempts <= 1 || !result.json.startsWith('{"') || verdictOf(kind, result).succeeded) return result;
  return { ok: result.ok, json: `{"attempts":${attempts},${result.json.slice(1)}` };
}

/** Before attempt `attempts + 1`. */
export function waitAfter(attempts: number, retry: RetryOptions, random: () => number = Math.random): number {
  const { backoff, initialMs, maxMs, jitter } = retry;
  const grown = backoff === 'fixed' ? initialMs : initialMs * 2 ** (attempts - 1);
  const waitMs = Math.min(maxMs, grown);
  return Math.round(waitMs * (1 - jitter * random()));
}

/** An attempt that takes too long is aborted, and counts as failed whatever it says then. */
async function performWithin(
  kind: EffectKind,
  call: EffectCall,
  context: EffectContext,
  timeoutMs: number | null,
): Promise<EffectResult> {
  if (timeoutMs === null) return perform(kind, call, context);
  const ending = new AbortController();
  const onAbort = (): void => ending.abort();
  context.signal.addEventListener('abort', onAbort, { once: true });
  if (context.signal.aborted) ending.abort();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<EffectResult>((resolve) => {
    timer = setTimeout(() => {
      resolve(timeoutResult(kind, call, timeoutMs));
      ending.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([late, perform(kind, call, { ...context, signal: ending.signal })]);
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** What performs effects does not reject; a defect there must not be the end of an execution's bookkeeping. */
export async function perform(kind: EffectKind, call: EffectCall, context: EffectContext): Promise<EffectResult> {
  try {
    return await kind.perform(call, context);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return failed(`the effect '${call.kind}' failed inside nFlow: ${said}`, 'internal', false);
  }
}

function timeoutResult(kind: EffectKind, { argumentsJson }: EffectCall, timeoutMs: number): EffectResult {
  const doubt = kind.isSafe(argumentsJson) ? '' : ' It is not known whether it took effect.';
  const message = `${kind.describe(argumentsJson)}: not done within ${timeoutMs} ms.${doubt} If it needs longer, raise "timeout"`;
  return failed(message, 'timeout', true);
}

function failed(message: string, reason: string, retryable: boolean): EffectResult {
  return { ok: false, json: JSON.stringify({ code: 'effect_failed', message, reason, retryable }) };
}

function verdictOf(kind: EffectKind, result: EffectResult): EffectVerdict {
  if (!result.ok) return verdictOfFailure(result.json);
  return kind.verdictOf?.(result) ?? { succeeded: true, retryable: false, retryAfterMs: null };
}

function verdictOfFailure(json: string): EffectVerdict {
  const { retryable, retryAfterMs } = JSON.parse(json) as Record<string, unknown>;
  return {
    succeeded: false,
    retryable: retryable === true,
    retryAfterMs: typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : null,
  };
}

function wasAborted({ ok, json }: EffectResult): boolean {
  return !ok && (JSON.parse(json) as { reason?: unknown }).reason === 'aborted';
}

function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, waitMs);
    signal.addEventListener('abort', finish, { once: true });
    if (signal.aborted) finish();
  });
}
