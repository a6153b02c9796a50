// biome-ignore-all lint/complexity/noArguments: Web IDL tells an argument that is missing from one that is undefined
import type { WebHost, WebPart } from './web-host.ts';

/**
 * `EventTarget` and `Event` as far as `AbortSignal` and libraries need them (DOM, section 2 and 3): there is no tree of targets, so an
 * event is at its target or nowhere. Evaluated inside the isolate, see `web-host.ts`.
 */
export function createEvents(
  host: WebHost,
  { DOMException }: { DOMException: new (message: string, name: string) => Error },
): WebPart {
  type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
  interface Registration {
    type: string;
    listener: Listener;
    capture: boolean;
    once: boolean;
    passive: boolean;
    removed: boolean;
  }
  interface ListenerOptions {
    capture?: unknown;
    once?: unknown;
    passive?: unknown;
    signal?: AbortSignal;
  }

  let setTarget: (event: Event, target: EventTarget | null) => void;
  let setPassive: (event: Event, isPassive: boolean) => void;
  let isStopped: (event: Event) => boolean;

  class Event {
    static {
      setTarget = (event, target) => {
        event.#target = target ?? event.#target;
        event.#phase = target === null ? 0 : 2;
        if (target === null) event.#stopped = false;
      };
      setPassive = (event, isPassive) => {
        event.#passive = isPassive;
      };
      isStopped = (event) => event.#stopped;
    }
    readonly #type: string;
    readonly #bubbles: boolean;
    readonly #cancelable: boolean;
    readonly #composed: boolean;
    readonly #timeStamp: number;
    #target: EventTarget | null = null;
    #phase = 0;
    #stopped = false;
    #passive = false;
    #prevented = false;

    constructor(type: string, options: { bubbles?: unknown; cancelable?: unknown; composed?: unknown } = {}) {
      if (arguments.length === 0) throw new TypeError('an Event needs a type');
      this.#type = `${type}`;
      this.#bubbles = Boolean(options?.bubbles);
      this.#cancelable = Boolean(options?.cancelable);
      this.#composed = Boolean(options?.composed);
      this.#timeStamp = host.nowMs() - host.stepStartMs();
    }
    get type(): string {
      return this.#type;
    }
    get target(): EventTarget | null {
      return this.#target;
    }
    get srcElement(): EventTarget | null {
      return this.#target;
    }
    get currentTarget(): EventTarget | null {
      return this.#phase === 0 ? null : this.#target;
    }
    get eventPhase(): number {
      return this.#phase;
    }
    get bubbles(): boolean {
      return this.#bubbles;
    }
    get cancelable(): boolean {
      return this.#cancelable;
    }
    get composed(): boolean {
      return this.#composed;
    }
    get defaultPrevented(): boolean {
      return this.#prevented;
    }
    get returnValue(): boolean {
      return !this.#prevented;
    }
    get isTrusted(): boolean {
      return false;
    }
    get timeStamp(): number {
      return this.#timeStamp;
    }
    get cancelBubble(): boolean {
      return this.#stopped;
    }
    composedPath(): EventTarget[] {
      return this.#phase === 0 || this.#target === null ? [] : [this.#target];
    }
    preventDefault(): void {
      if (this.#cancelable && !this.#passive) this.#prevented = true;
    }
    stopPropagation(): void {}
    stopImmediatePropagation(): void {
      this.#stopped = true;
    }
    get [Symbol.toStringTag](): string {
      return 'Event';
    }
  }

  class CustomEvent extends Event {
    readonly #detail: unknown;
    constructor(type: string, options: { detail?: unknown } = {}) {
      super(type, options as object);
      this.#detail = options?.detail ?? null;
    }
    get detail(): unknown {
      return this.#detail;
    }
    override get [Symbol.toStringTag](): string {
      return 'CustomEvent';
    }
  }

  class EventTarget {
    readonly #registrations: Registration[] = [];

    addEventListener(type: string, listener: Listener | null, options: boolean | ListenerOptions = {}): void {
      if (listener === null || listener === undefined) return;
      if (typeof listener !== 'function' && typeof listener !== 'object') {
        throw new TypeError('a listener is a function or an object with handleEvent');
      }
      const given: ListenerOptions = typeof options === 'object' && options !== null ? options : { capture: options };
      if (given.signal?.aborted === true) return;
      const name = `${type}`;
      const capture = Boolean(given.capture);
      const isKnown = this.#registrations.some(
        (one) => one.type === name && one.listener === listener && one.capture === capture,
      );
      if (isKnown) return;
      const once = Boolean(given.once);
      const passive = Boolean(given.passive);
      this.#registrations.push({ type: name, listener, capture, once, passive, removed: false });
      given.signal?.addEventListener('abort', () => this.removeEventListener(name, listener, capture), { once: true });
    }

    removeEventListener(type: string, listener: Listener | null, options: boolean | ListenerOptions = {}): void {
      const capture = Boolean(typeof options === 'object' && options !== null ? options.capture : options);
      const at = this.#registrations.findIndex(
        (one) => one.type === `${type}` && one.listener === listener && one.capture === capture,
      );
      if (at < 0) return;
      (this.#registrations[at] as Registration).removed = true;
      this.#registrations.splice(at, 1);
    }

    dispatchEvent(event: Event): boolean {
      if (!(event instanceof Event)) throw new TypeError('dispatchEvent needs an Event');
      if (event.eventPhase !== 0) throw new DOMException('the event is being dispatched', 'InvalidStateError');
      setTarget(event, this);
      for (const one of [...this.#registrations]) {
        if (one.removed || one.type !== event.type) continue;
        if (one.once) this.removeEventListener(one.type, one.listener, one.capture);
        setPassive(event, one.passive);
        try {
          if (typeof one.listener === 'function') one.listener.call(this as never, event);
          else one.listener.handleEvent(event);
        } catch (error) {
          host.fail(error);
        }
        if (isStopped(event)) break;
      }
      setPassive(event, false);
      setTarget(event, null);
      return !event.defaultPrevented;
    }
    get [Symbol.toStringTag](): string {
      return 'EventTarget';
    }
  }

  /** Says who calls the constructor: signals come from here only. */
  const inside = {};
  let abort: (signal: AbortSignal, reason: unknown) => void;
  let onAbort: (signal: AbortSignal, algorithm: () => void) => () => void;

  class AbortSignal extends EventTarget {
    static {
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
        const algorithms = [...signal.#algorithms];
        signal.#algorithms.clear();
        for (const algorithm of algorithms) algorithm();
        signal.dispatchEvent(new Event('abort'));
      };
      onAbort = (signal, algorithm) => {
        signal.#algorithms.add(algorithm);
        return () => signal.#algorithms.delete(algorithm);
      };
    }
    #aborted = false;
    #reason: unknown;
    #onabort: Listener | null = null;
    readonly #algorithms = new Set<() => void>();

    constructor(key?: unknown) {
      if (key !== inside) throw new TypeError('Illegal constructor: use an AbortController');
      super();
    }
    get aborted(): boolean {
      return this.#aborted;
    }
    get reason(): unknown {
      return this.#reason;
    }
    get onabort(): Listener | null {
      return this.#onabort;
    }
    set onabort(listener: Listener | null) {
      if (this.#onabort !== null) this.removeEventListener('abort', this.#onabort);
      this.#onabort = typeof listener === 'function' ? listener : null;
      if (this.#onabort !== null) this.addEventListener('abort', this.#onabort);
    }
    throwIfAborted(): void {
      if (this.#aborted) throw this.#reason;
    }
    static abort(reason?: unknown): AbortSignal {
      const signal = new AbortSignal(inside);
      abort(signal, reason);
      return signal;
    }
    static timeout(delayMs: number): AbortSignal {
      const signal = new AbortSignal(inside);
      const timedOut = (): void => abort(signal, new DOMException('The operation timed out', 'TimeoutError'));
      host.setTimer(timedOut, Number(delayMs), [], false);
      return signal;
    }
    static any(signals: Iterable<AbortSignal>): AbortSignal {
      const all = [...signals];
      const signal = new AbortSignal(inside);
      const first = all.find((one) => one.aborted);
      if (first !== undefined) {
        abort(signal, first.reason);
        return signal;
      }
      for (const one of all) onAbort(one, () => abort(signal, one.reason));
      return signal;
    }
    override get [Symbol.toStringTag](): string {
      return 'AbortSignal';
    }
  }

  class AbortController {
    readonly #signal = new AbortSignal(inside);
    get signal(): AbortSignal {
      return this.#signal;
    }
    abort(reason?: unknown): void {
      abort(this.#signal, reason);
    }
    get [Symbol.toStringTag](): string {
      return 'AbortController';
    }
  }

  const isSignal = (value: unknown): value is AbortSignal => value instanceof AbortSignal;
  const onAbortOf = (signal: AbortSignal, algorithm: () => void): (() => void) => onAbort(signal, algorithm);
  return {
    globals: { Event, CustomEvent, EventTarget, AbortSignal, AbortController },
    shared: { isSignal, onAbort: onAbortOf },
  };
}
