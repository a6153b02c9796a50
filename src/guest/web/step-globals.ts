import type { WebHost, WebPart } from './web-host.ts';

/**
 * Lets code put names of its own on `globalThis`, as libraries do (`globalThis.__config ??= {}`), although the global object is closed:
 * what is assigned there is kept for the current step, and gone with it. No run sees what another one has put there; nor does the next
 * step, which may be the first one that a resumed run executes.
 *
 * It stands behind the global object, as its prototype: names that exist never come here. A program that does not mention `globalThis`
 * goes without it, so that a name which is written wrong stays an error. Evaluated inside the isolate, see `web-host.ts`.
 */
export function createStepGlobals(host: WebHost, _scope: object): WebPart {
  const { get, has, set } = Reflect;
  const handler: ProxyHandler<object> = {
    has: (target, key) => has(target, key) || host.stepGlobals(false)?.has(key) === true,
    get(target, key, receiver) {
      if (has(target, key)) return get(target, key, receiver) as unknown;
      return host.stepGlobals(false)?.get(key);
    },
    set(target, key, value, receiver) {
      if (has(target, key)) return set(target, key, value, receiver);
      const globals = host.stepGlobals(true);
      globals?.set(key, value);
      return globals !== null;
    },
  };
  Object.setPrototypeOf(globalThis, new Proxy(Object.getPrototypeOf(globalThis) as object, handler));
  return { globals: {} };
}
