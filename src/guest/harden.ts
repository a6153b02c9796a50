export interface HardenedRealm {
  /** Freezes what came later, and everything that can be reached from it. */
  freezeAll(values: unknown[]): void;
  /** Closes the global object: nothing can be added to it any more. */
  seal(): void;
}

/**
 * Freezes the realm, so that one run can leave nothing behind for the next one in the same VM: every intrinsic that can be
 * reached from the global object or from syntax, and the global object itself.
 *
 * A frozen prototype makes ordinary assignments fail ("override mistake": `error.name = 'X'` throws when `Error.prototype.name`
 * is a read-only data property). So the data properties of the usual prototypes become accessors whose setter defines an own
 * property on the receiver: library code that assigns `toString`, `constructor`, `name`, `message` on its own objects works.
 *
 * Evaluated inside the isolate from its source text, after the kernel has been made and before any user code; it may use nothing
 * from outside its own body. The global object takes what a program needs until it is sealed.
 */
export function hardenRealm(): HardenedRealm {
  const { getOwnPropertyDescriptor, getPrototypeOf, defineProperty, freeze, isFrozen, hasOwn, preventExtensions } =
    Object;
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
  const stackOf = (error: object): PropertyDescriptor | undefined => getOwnPropertyDescriptor(error, 'stack');
  const captured = {};
  Error.captureStackTrace(captured);
  const syntaxIntrinsics = [
    // Every error has accessors for its stack, the same functions on each.
    ...[stackOf(new Error('')), stackOf(captured)].flatMap((stack) => [stack?.get, stack?.set]),
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

  const found = new Set<object>();
  /** Adds all that can be reached from the values to `found`; returns what was not in it. */
  const collect = (values: unknown[]): object[] => {
    const added: object[] = [];
    const queue = [...values];
    while (queue.length > 0) {
      const value = queue.pop();
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || found.has(value)) continue;
      found.add(value);
      added.push(value);
      queue.push(getPrototypeOf(value));
      for (const key of ownKeys(value)) {
        const descriptor = getOwnPropertyDescriptor(value, key);
        if (descriptor === undefined) continue;
        if (hasOwn(descriptor, 'value')) queue.push(descriptor.value);
        else queue.push(descriptor.get, descriptor.set);
      }
    }
    return added;
  };
  /** All but the global object, which `seal` closes. */
  const freezeEach = (values: Iterable<object>): void => {
    for (const value of values) if (value !== globalThis) freeze(value);
  };

  // All that can be reached, found before anything changes.
  collect([globalThis, ...syntaxIntrinsics]);

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

  freezeEach(found);
  for (const value of found) {
    if (value !== globalThis && !isFrozen(value)) throw new Error('the realm could not be frozen');
  }
  return {
    freezeAll: (values) => freezeEach(collect(values)),
    seal() {
      for (const key of ownKeys(globalThis)) {
        const descriptor = getOwnPropertyDescriptor(globalThis, key);
        if (descriptor?.configurable !== true) continue;
        const isData = hasOwn(descriptor, 'value');
        const closed = isData ? { writable: false, configurable: false } : { configurable: false };
        defineProperty(globalThis, key, { ...descriptor, ...closed });
      }
      preventExtensions(globalThis);
    },
  };
}
