/**
 * Freezes the realm, so that one run can leave nothing behind for the next one in the same VM: every intrinsic that can be
 * reached from the global object or from syntax, and the global object itself.
 *
 * A frozen prototype makes ordinary assignments fail ("override mistake": `error.name = 'X'` throws when `Error.prototype.name`
 * is a read-only data property). So the data properties of the usual prototypes become accessors whose setter defines an own
 * property on the receiver: library code that assigns `toString`, `constructor`, `name`, `message` on its own objects works.
 *
 * Evaluated inside the isolate from its source text, after the kernel has been made and before any user code; it may use nothing
 * from outside its own body.
 */
export function hardenRealm(): void {
  const { getOwnPropertyDescriptor, getPrototypeOf, defineProperty, freeze, isFrozen, hasOwn } = Object;
  const ownKeys = Reflect.ownKeys;
  const root = globalThis as unknown as Record<string, unknown>;

  // What lets code get out of its limits, keep state between runs, or see the collector: gone before anything is frozen.
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'gc', '_ivm']) {
    delete root[name];
  }
  // RegExp.$1, RegExp.input … hold the last match of whoever ran before.
  for (const name of ownKeys(RegExp)) {
    if (name === 'prototype' || name === Symbol.species || name === 'escape' || name === 'length' || name === 'name')
      continue;
    delete (RegExp as unknown as Record<PropertyKey, unknown>)[name];
  }
  // A hook that V8 calls with call sites: it would see the kernel's frames.
  delete (Error as unknown as Record<string, unknown>).prepareStackTrace;
  (Error as unknown as Record<string, unknown>).stackTraceLimit = 20;

  const syntaxIntrinsics = [
    getPrototypeOf(function* () {}),
    getPrototypeOf(async () => {}),
    getPrototypeOf(async function* () {}),
    getPrototypeOf([][Symbol.iterator]()),
    getPrototypeOf(''[Symbol.iterator]()),
    getPrototypeOf(new Map()[Symbol.iterator]()),
    getPrototypeOf(new Set()[Symbol.iterator]()),
    getPrototypeOf('a'.matchAll(/a/g)),
    getPrototypeOf(Uint8Array),
    getPrototypeOf((function* () {})()),
    getPrototypeOf((async function* () {})()),
    (() => {
      const segmenter = new Intl.Segmenter();
      const segments = segmenter.segment('a');
      return [getPrototypeOf(segments), getPrototypeOf(segments[Symbol.iterator]())];
    })(),
    getPrototypeOf(Iterator.from({ next: () => ({ done: true, value: undefined }) } as Iterator<unknown>)),
    getPrototypeOf([].values().map((value) => value)),
  ];

  // All that can be reached, found before anything changes.
  const found = new Set<object>();
  const queue: unknown[] = [globalThis, ...syntaxIntrinsics];
  while (queue.length > 0) {
    const value = queue.pop();
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || found.has(value)) continue;
    found.add(value);
    queue.push(getPrototypeOf(value));
    for (const key of ownKeys(value)) {
      const descriptor = getOwnPropertyDescriptor(value, key);
      if (descriptor === undefined) continue;
      if (hasOwn(descriptor, 'value')) queue.push(descriptor.value);
      else queue.push(descriptor.get, descriptor.set);
    }
  }

  // Only names that code really assigns on its own objects. Symbols, `then`, and most methods of Array and Promise stay plain:
  // as accessors they would switch off V8's fast paths for iteration and await, for a case that does not occur.
  const everyName = null;
  const overridable: [prototype: object, names: string[] | null][] = [
    [Object.prototype, everyName],
    [Function.prototype, everyName],
    [Error.prototype, everyName],
    [TypeError.prototype, everyName],
    [RangeError.prototype, everyName],
    [SyntaxError.prototype, everyName],
    [ReferenceError.prototype, everyName],
    [EvalError.prototype, everyName],
    [URIError.prototype, everyName],
    [AggregateError.prototype, everyName],
    [Array.prototype, ['constructor', 'toString', 'toLocaleString', 'toJSON']],
    [Promise.prototype, ['constructor']],
    [Date.prototype, ['constructor', 'toString', 'toJSON', 'toLocaleString', 'valueOf']],
    [RegExp.prototype, ['constructor', 'toString', 'exec', 'test']],
    [Map.prototype, ['constructor', 'get', 'set', 'has', 'delete', 'clear', 'forEach']],
    [Set.prototype, ['constructor', 'add', 'has', 'delete', 'clear', 'forEach']],
    [String.prototype, ['constructor', 'toString', 'valueOf']],
    [Number.prototype, ['constructor', 'toString', 'valueOf']],
    [Boolean.prototype, ['constructor', 'toString', 'valueOf']],
    [getPrototypeOf(Uint8Array.prototype) as object, ['constructor', 'toString', 'toLocaleString']],
    [Iterator.prototype, ['constructor']],
    [getPrototypeOf(async () => {}) as object, ['constructor']],
    [getPrototypeOf(function* () {}) as object, ['constructor']],
  ];
  for (const [prototype, names] of overridable) {
    for (const key of names ?? ownKeys(prototype)) {
      const descriptor = getOwnPropertyDescriptor(prototype, key);
      if (typeof key === 'symbol' || descriptor === undefined) continue;
      if (!hasOwn(descriptor, 'value') || descriptor.configurable !== true) continue;
      const value = descriptor.value as unknown;
      const get = () => value;
      // A method, since a function would bring a `prototype` object that stays open.
      const { set } = {
        set(this: unknown, assigned: unknown): void {
          if (this === prototype) throw new TypeError(`Cannot assign to '${key}': the built-in objects are frozen`);
          if (this === null || (typeof this !== 'object' && typeof this !== 'function')) return;
          // An own data property would have been assigned without reaching this setter, so it is not there yet.
          defineProperty(this, key, { value: assigned, writable: true, enumerable: true, configurable: true });
        },
      };
      found.add(get).add(set);
      defineProperty(prototype, key, { get, set, enumerable: descriptor.enumerable === true, configurable: false });
    }
  }

  for (const value of found) if (value !== globalThis) freeze(value);
  for (const key of ownKeys(globalThis)) {
    const descriptor = getOwnPropertyDescriptor(globalThis, key);
    if (descriptor?.configurable !== true) continue;
    if (hasOwn(descriptor, 'value'))
      defineProperty(globalThis, key, { ...descriptor, writable: false, configurable: false });
    else defineProperty(globalThis, key, { ...descriptor, configurable: false });
  }
  Object.preventExtensions(globalThis);
  for (const value of found) {
    if (value !== globalThis && !isFrozen(value)) throw new Error('the realm could not be frozen');
  }
}
