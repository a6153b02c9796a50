import type { WebHost, WebPart } from './web-host.ts';

/**
 * `setTimeout`, `setInterval`, `queueMicrotask` (HTML, section 8.6 and 8.7) and `performance.now`. The gateway keeps the time: each
 * firing is a segment of its own. Evaluated inside the isolate, see `web-host.ts`.
 */
export function createTimers(host: WebHost, _scope: object): WebPart {
  const assertCallback = (name: string, callback: unknown): void => {
    if (typeof callback === 'function') return;
    const got = callback === null ? 'null' : typeof callback;
    throw new TypeError(`${name} needs a function; got ${got}`);
  };

  const functions = {
    setTimeout(callback: () => void, delayMs?: number, ...values: unknown[]): number {
      assertCallback('setTimeout', callback);
      return host.setTimer(callback, Number(delayMs), values, false);
    },
    setInterval(callback: () => void, delayMs?: number, ...values: unknown[]): number {
      assertCallback('setInterval', callback);
      return host.setTimer(callback, Number(delayMs), values, true);
    },
    clearTimeout(id?: unknown): void {
      host.clearTimer(id);
    },
    clearInterval(id?: unknown): void {
      host.clearTimer(id);
    },
    queueMicrotask(callback: () => void): void {
      assertCallback('queueMicrotask', callback);
      Promise.resolve().then(() => {
        try {
          callback();
        } catch (error) {
          host.fail(error);
        }
      });
    },
  };

  /** Counts from the beginning of the step; it stands still within a segment, as all time does. */
  const performance = {
    now: (): number => host.nowMs() - host.stepStartMs(),
    get timeOrigin(): number {
      return host.stepStartMs();
    },
    toJSON: () => ({ timeOrigin: performance.timeOrigin }),
  };
  return { globals: { ...functions, performance } };
}
