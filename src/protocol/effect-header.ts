/**
 * Stands in every request that a workflow makes, whatever the workflow sets. Administration refuses such requests: it may be open to
 * this machine's people, and a workflow that may call this machine is not one of them.
 *
 * Its value tells about the request's `Idempotency-Key`:
 *
 *   first   nFlow made the key, and this call has certainly not been sent under it before
 *   later   it may have been sent before, or the workflow set a key of its own
 */
export const effectHeader = 'nflow-effect';

export type EffectSending = 'first' | 'later';

/**
 * True for a call whose key protects nothing yet: there is no earlier one that it could repeat. A server that cannot honour keys may
 * perform it as a request without one; the repeat of it, if there is ever one, says `later` and is refused.
 */
export function isFirstSending(value: string | string[] | undefined): boolean {
  return value === ('first' satisfies EffectSending);
}
