import type { EffectResult } from '../port.ts';

export type HttpFailureReason =
  /** The call took longer than its timeout. */
  | 'timeout'
  /** No connection: refused, unreachable, reset while connecting. */
  | 'connect'
  | 'dns'
  /** The egress guard does not let the address through. */
  | 'egress_denied'
  | 'too_large'
  /** The body was to be saved (`saveTo`), and the folder of the workflow or the disk is full, or the file could not be written. */
  | 'quota_exceeded'
  | 'disk_full'
  | 'file'
  | 'redirect'
  | 'tls'
  /** The call itself is wrong: nothing was sent. */
  | 'invalid_request'
  /** The execution ended, or the server stops. */
  | 'aborted'
  /** The other side broke the connection or HTTP. */
  | 'protocol';

/** Why an HTTP call has no answer. `message` says what happened and what to do, without the call it happened to. */
export class HttpFailure extends Error {
  readonly reason: HttpFailureReason;
  /** True when the same call may succeed when it is repeated as it is. */
  readonly retryable: boolean;

  constructor(reason: HttpFailureReason, message: string, retryable = false, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HttpFailure';
    this.reason = reason;
    this.retryable = retryable;
  }
}

/** The error as the workflow sees it: `{ code, message, reason, retryable }`. `tried` is the call, such as `POST http://host/path`. */
export function failureResult(tried: string, failure: HttpFailure): EffectResult {
  return {
    ok: false,
    json: JSON.stringify({
      code: 'effect_failed',
      message: `${tried}: ${failure.message}`,
      reason: failure.reason,
      retryable: failure.retryable,
    }),
  };
}

/** `code` of a system, TLS or undici error, else its name. */
export function errorCodeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
