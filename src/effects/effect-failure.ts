import type { EffectResult } from './port.ts';

/**
 * Why an effect has no result, for effects that have no failure of their own. `message` says what happened and what to do, without the
 * call it happened to.
 */
export class EffectFailure extends Error {
  readonly reason: string;
  /** True when the same call may succeed when it is repeated as it is. */
  readonly retryable: boolean;
  /** What to wait before that; null when nobody knows. */
  readonly retryAfterMs: number | null;
  /** The number that the other side answered; null when it did not. */
  readonly status: number | null;

  constructor(
    reason: string,
    message: string,
    options: { retryable?: boolean; retryAfterMs?: number | null; status?: number | null; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EffectFailure';
    this.reason = reason;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.status = options.status ?? null;
  }
}

/** `field: got …, allowed is …`: the call itself is wrong, and nothing was done. */
export function invalidCall(field: string, got: string, allowed: string): EffectFailure {
  return new EffectFailure('invalid_request', `${field}: got ${got}, allowed is ${allowed}`);
}

/** The result of `run`, or its failure as the workflow sees it. What nobody expected is told as what it is. */
export async function resultOf(tried: string, run: () => unknown): Promise<EffectResult> {
  try {
    return { ok: true, json: JSON.stringify((await run()) ?? null) };
  } catch (error) {
    if (!(error instanceof EffectFailure)) {
      const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      const described = { code: 'internal_error', message: `${tried}: ${said}`, retryable: false };
      return { ok: false, json: JSON.stringify(described) };
    }
    const { message, reason, retryable, retryAfterMs, status } = error;
    const told = { code: 'effect_failed', message: `${tried}: ${message}`, reason, retryable };
    const described = status === null ? told : { ...told, status };
    return { ok: false, json: JSON.stringify(retryAfterMs === null ? described : { ...described, retryAfterMs }) };
  }
}
