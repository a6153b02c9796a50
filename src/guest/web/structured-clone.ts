// biome-ignore-all lint/complexity/noArguments: Web IDL tells an argument that is missing from one that is undefined
import type { WebHost, WebPart } from './web-host.ts';

/** `structuredClone` (HTML, section 2.7). Evaluated inside the isolate, see `web-host.ts`. */
export function createStructuredClone(
  _host: WebHost,
  { DOMException }: { DOMException: new (message: string, name: string) => Error },
): WebPart {
  const { getOwnPropertyDescriptor, getPrototypeOf, defineProperty, keys, hasOwn } = Object;
  const getter = (prototype: object, key: PropertyKey): ((this: never) => unknown) =>
    getOwnPropertyDescriptor(prototype, key)?.get as (this: never) => unknown;
  const typedArray = getPrototypeOf(Uint8Array.prototype) as object;
  const typedArrayTag = getter(typedArray, Symbol.toStringTag) as (this: unknown) => string | undefined;
  const bufferSize = getter(ArrayBuffer.prototype, 'byteLength');
  const mapSize = getter(Map.prototype, 'size');
  const setSize = getter(Set.prototype, 'size');
  const viewSize = getter(DataView.prototype, 'byteLength');
  const patternFlags = getter(RegExp.prototype, 'flags');
  const patternSource = getter(RegExp.prototype, 'source');
  const { getTime } = Date.prototype;
  const { entries } = Map.prototype;
  const { values } = Set.prototype;
  const { has: weakMapHas } = WeakMap.prototype;
  const { has: weakSetHas } = WeakSet.prototype;
  const isError = (Error as unknown as { isError: (value: unknown) => boolean }).isError;
  const { isView } = ArrayBuffer;
  const { isArray } = Array;
  const realm = globalThis as unknown as Record<string, new (...given: unknown[]) => object>;
  const errorNames = ['EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'];

  /** Whether the value has the internal slot that the method asks for: what it is, whatever its prototype says. */
  const has = (method: (this: never, ...given: never[]) => unknown, value: object): boolean => {
    try {
      method.call(value as never);
      return true;
    } catch {
      return false;
    }
  };

  const refuse = (what: string): Error => new DOMException(`${what} cannot be cloned`, 'DataCloneError');

  const boxed = (value: object): object | null => {
    if (has(Number.prototype.valueOf, value)) return Object(Number.prototype.valueOf.call(value)) as object;
    if (has(String.prototype.valueOf, value)) return Object(String.prototype.valueOf.call(value)) as object;
    if (has(Boolean.prototype.valueOf, value)) return Object(Boolean.prototype.valueOf.call(value)) as object;
    if (has(BigInt.prototype.valueOf, value)) return Object(BigInt.prototype.valueOf.call(value)) as object;
    return null;
  };

  const clone = (value: unknown, seen: Map<object, object>): unknown => {
    if (typeof value === 'function') throw refuse(`the function ${String(value.name)}`);
    if (typeof value === 'symbol') throw refuse('a symbol');
    if (typeof value !== 'object' || value === null) return value;
    const known = seen.get(value);
    if (known !== undefined) return known;
    const copy = cloneObject(value, seen);
    return copy;
  };

  const cloneObject = (value: object, seen: Map<object, object>): object => {
    const prototype = getPrototypeOf(value) as object | null;
    // Plain objects and arrays are nearly all there is: they skip the questions about slots, which cost an exception each.
    if (isArray(value)) {
      const copy: unknown[] = new Array(value.length);
      seen.set(value, copy);
      copyProperties(value, copy, seen);
      return copy;
    }
    if (prototype === Object.prototype || prototype === null) {
      const copy = {};
      // A `Symbol.toStringTag` says nothing: `arguments` and Proxy objects come here too.
      seen.set(value, copy);
      copyProperties(value, copy, seen);
      return copy;
    }
    const copy = cloneSpecial(value, seen);
    if (copy !== null) return copy;
    const own = {};
    seen.set(value, own);
    copyProperties(value, own, seen);
    return own;
  };

  const cloneSpecial = (value: object, seen: Map<object, object>): object | null => {
    const keep = <T extends object>(copy: T): T => {
      seen.set(value, copy);
      return copy;
    };
    if (isView(value)) return keep(cloneView(value, seen));
    if (has(getTime, value)) return keep(new Date(getTime.call(value as Date)));
    if (has(bufferSize, value)) return keep((value as ArrayBuffer).slice(0));
    if (has(mapSize, value)) {
      const copy = keep(new Map());
      for (const [key, item] of [...entries.call(value as Map<unknown, unknown>)])
        copy.set(clone(key, seen), clone(item, seen));
      return copy;
    }
    if (has(setSize, value)) {
      const copy = keep(new Set());
      for (const item of [...values.call(value as Set<unknown>)]) copy.add(clone(item, seen));
      return copy;
    }
    if (isError(value)) return cloneError(value as Error, seen);
    if (value instanceof RegExp && value !== RegExp.prototype) {
      return keep(
        new RegExp(patternSource.call(value as never) as string, patternFlags.call(value as never) as string),
      );
    }
    const box = boxed(value);
    if (box !== null) return keep(box);
    const isOpaque =
      value instanceof Promise ||
      has(weakMapHas, value) ||
      has(weakSetHas, value) ||
      has(Symbol.prototype.valueOf, value);
    // Objects of the web platform keep what they are in private fields, of which a copy would have nothing.
    if (isOpaque || hasOwn(getPrototypeOf(value) as object, Symbol.toStringTag))
      throw refuse(`the object ${nameOf(value)}`);
    return null;
  };

  const nameOf = (value: object): string => {
    const tag = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
    return typeof tag === 'string' ? tag : 'given';
  };

  const cloneView = (view: ArrayBufferView, seen: Map<object, object>): object => {
    const buffer = clone(view.buffer, seen) as ArrayBuffer;
    const tag = typedArrayTag.call(view);
    if (tag === undefined) {
      return new DataView(buffer, view.byteOffset, viewSize.call(view as never) as number);
    }
    return new (realm[tag] as new (...given: unknown[]) => object)(
      buffer,
      view.byteOffset,
      (view as Uint8Array).length,
    );
  };

  const cloneError = (error: Error, seen: Map<object, object>): Error => {
    const name = String(error.name);
    const Class = realm[errorNames.includes(name) ? name : 'Error'] as new (message?: string) => Error;
    const message = getOwnPropertyDescriptor(error, 'message');
    const copy = message !== undefined && 'value' in message ? new Class(String(message.value)) : new Class();
    seen.set(error, copy);
    const stack: unknown = error.stack;
    if (typeof stack === 'string') defineProperty(copy, 'stack', { value: stack, writable: true, configurable: true });
    if (hasOwn(error, 'cause')) {
      defineProperty(copy, 'cause', { value: clone(error.cause, seen), writable: true, configurable: true });
    }
    return copy;
  };

  const copyProperties = (from: object, to: object, seen: Map<object, object>): void => {
    for (const key of keys(from)) {
      const value = clone((from as Record<string, unknown>)[key], seen);
      defineProperty(to, key, { value, writable: true, enumerable: true, configurable: true });
    }
  };

  const { structuredClone } = {
    structuredClone(value: unknown, options?: { transfer?: Iterable<unknown> }): unknown {
      if (arguments.length === 0) throw new TypeError('structuredClone needs a value');
      const seen = new Map<object, object>();
      const moved: ArrayBuffer[] = [];
      for (const item of options?.transfer ?? []) {
        if (typeof item !== 'object' || item === null || !has(bufferSize, item))
          throw refuse('what is no ArrayBuffer, and transferred,');
        if (moved.includes(item as ArrayBuffer)) throw refuse('an ArrayBuffer that is transferred twice');
        moved.push(item as ArrayBuffer);
      }
      for (const buffer of moved) seen.set(buffer, buffer.slice(0));
      const copy = clone(value, seen);
      // At last, so that a failure leaves them as they are.
      for (const buffer of moved) buffer.transfer();
      return copy;
    },
  };
  return { globals: { structuredClone } };
}
