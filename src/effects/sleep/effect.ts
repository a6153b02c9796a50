import type { ClosableEffect, EffectResult } from '../port.ts';
import { sleepTraits } from './arguments.ts';

const sleepMaxMs = 30 * 24 * 60 * 60 * 1_000;
/** The longest that one timer can wait (2^31 - 1 ms, 24.8 days): past it Node fires at once. */
const timerMaxMs = 2_147_483_647;

/** The effect `sleep`: `{ "ms": 0 … 30 days }` gives `null` when the time is over, by the monotonic clock, never early. */
export function createSleepEffect(): ClosableEffect & { close(): void } {
  // Not listeners of one more signal: with ten thousand sleeps, each removal would walk through all of them.
  const sleeping = new Set<() => void>();
  let closed = false;

  function sleep(ms: number, signal: AbortSignal): Promise<EffectResult> {
    const endMs = performance.now() + ms;
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const finish = (result: EffectResult) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        sleeping.delete(onStop);
        resolve(result);
      };
      const onAbort = () => finish(failure('aborted', 'sleep: the execution ended first'));
      const onStop = () => finish(failure('aborted', 'sleep: the server is stopping'));
      const waitOn = () => {
        const restMs = endMs - performance.now();
        if (restMs > 0) timer = setTimeout(waitOn, Math.min(Math.ceil(restMs), timerMaxMs));
        else finish({ ok: true, json: 'null' });
      };
      signal.addEventListener('abort', onAbort, { once: true });
      sleeping.add(onStop);
      if (signal.aborted) onAbort();
      else if (closed) onStop();
      else timer = setTimeout(waitOn, Math.min(Math.ceil(ms), timerMaxMs));
    });
  }

  return {
    ...sleepTraits,
    isSafe: () => true,
    async perform(call, context) {
      const ms = parseSleep(call.argumentsJson);
      if (ms === null) {
        const got = call.argumentsJson.slice(0, 80);
        return failure('invalid_request', `sleep: got ${got}, allowed is { "ms": 0 … ${sleepMaxMs} } (30 days)`);
      }
      return sleep(ms, context.signal);
    },
    describe(argumentsJson) {
      const ms = parseSleep(argumentsJson);
      return ms === null ? 'sleep (invalid)' : `sleep ${ms} ms`;
    },
    close() {
      closed = true;
      for (const stop of [...sleeping]) stop();
    },
  };
}

function parseSleep(argumentsJson: string): number | null {
  try {
    const value: unknown = JSON.parse(argumentsJson);
    if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'ms' || !('ms' in value))
      return null;
    return typeof value.ms === 'number' && value.ms >= 0 && value.ms <= sleepMaxMs ? value.ms : null;
  } catch {
    return null;
  }
}

function failure(reason: 'invalid_request' | 'aborted', message: string): EffectResult {
  return { ok: false, json: JSON.stringify({ code: 'effect_failed', message, reason, retryable: false }) };
}
