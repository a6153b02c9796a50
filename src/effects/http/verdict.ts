import type { EffectResult, EffectVerdict } from '../port.ts';

/** What a server may answer to a call now and not to the same call a moment later. */
const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** An answer's verdict by its status and its `Retry-After` (RFC 9110, 10.2.3). */
export function verdictOfAnswer({ json }: EffectResult, nowMs: number): EffectVerdict {
  // The text begins with it: a large body need not be parsed to know.
  const status = Number(/^\{"status":(\d{3}),/.exec(json)?.[1] ?? 0);
  if (status > 0 && status < 400) return { succeeded: true, retryable: false, retryAfterMs: null };
  const retryable = retryableStatuses.has(status);
  return { succeeded: false, retryable, retryAfterMs: retryable ? retryAfterOf(json, nowMs) : null };
}

function retryAfterOf(json: string, nowMs: number): number | null {
  const { headers } = JSON.parse(json) as { headers: Record<string, unknown> };
  const text = headers['retry-after'];
  if (typeof text !== 'string') return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}
