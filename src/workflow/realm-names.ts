/** Global names of the guest's realm. */

/** They neither wait nor make a promise nor an effect, and nothing that does can be reached from them by a fixed name. */
export const plainGlobals: ReadonlySet<string> = new Set([
  ...[
    'undefined',
    'NaN',
    'Infinity',
    'Object',
    'Array',
    'String',
    'Number',
    'Boolean',
    'BigInt',
    'Symbol',
    'Math',
    'JSON',
  ],
  ...['Date', 'RegExp', 'Map', 'Set', 'WeakMap', 'WeakSet', 'Intl', 'Temporal', 'Iterator', 'ArrayBuffer', 'DataView'],
  ...['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array'],
  ...['BigInt64Array', 'BigUint64Array', 'Float16Array', 'Float32Array', 'Float64Array'],
  ...['Error', 'TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'EvalError', 'URIError', 'AggregateError'],
  ...['parseInt', 'parseFloat', 'isNaN', 'isFinite', 'escape', 'unescape'],
  ...['encodeURIComponent', 'decodeURIComponent', 'encodeURI', 'decodeURI'],
  ...['console', 'crypto', 'structuredClone', 'btoa', 'atob', 'TextEncoder', 'TextDecoder', 'URL', 'URLSearchParams'],
]);

/**
 * Names, of variables or of properties, by which code may come to a promise, to an effect, or to code made of text. Code that
 * mentions none of them, no other global than `plainGlobals`, and no async syntax, never waits.
 */
export const namesThatMayWait: ReadonlySet<string> = new Set([
  ...[
    'ctx',
    'then',
    'catch',
    'finally',
    'Promise',
    'fetch',
    'queueMicrotask',
    'setTimeout',
    'setInterval',
    'setImmediate',
  ],
  ...['fromAsync', 'waitAsync', 'asyncIterator', 'asyncDispose', 'AsyncIterator', 'subtle', 'scheduler'],
  ...['eval', 'Function', 'arguments', 'globalThis', 'constructor', 'Reflect', 'Proxy', '__proto__', 'getPrototypeOf'],
  ...['getOwnPropertyDescriptor', 'getOwnPropertyDescriptors', 'getOwnPropertyNames', '__lookupGetter__'],
]);
