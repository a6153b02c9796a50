/** What a workflow file exports, as plain data. */
export interface ReadDefinition {
  /** JSON text. Where a function or something that JSON cannot hold stands, it has null. */
  json: string;
  functions: { pointer: string; source: string }[];
  /** `what` is it, such as `a Map`. */
  unreadable: { pointer: string; what: string }[];
}

/**
 * Runs inside the isolate, at the end of the workflow file, and is put there as its own text: it may use nothing from outside.
 * The isolate is the author's, so what it answers is believed no more than a file of theirs.
 */
export function readDefinition(definition: unknown, depthMax: number): ReadDefinition {
  const functions: ReadDefinition['functions'] = [];
  const unreadable: ReadDefinition['unreadable'] = [];
  const child = (pointer: string, key: string | number): string =>
    `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const refuse = (pointer: string, what: string): null => {
    if (unreadable.length < 100) unreadable.push({ pointer, what });
    return null;
  };
  const read = (value: unknown, pointer: string, depth: number): unknown => {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        return Number.isFinite(value) ? value : refuse(pointer, String(value));
      case 'function':
        functions.push({ pointer, source: Function.prototype.toString.call(value) });
        return null;
      case 'object':
        return value === null ? null : readObject(value, pointer, depth);
      default:
        return refuse(pointer, value === undefined ? 'undefined' : `a ${typeof value}`);
    }
  };
  const readObject = (value: object, pointer: string, depth: number): unknown => {
    if (depth >= depthMax) return refuse(pointer, `more than ${depthMax} levels, or something that contains itself`);
    if (Array.isArray(value)) return Array.from(value, (item, index) => read(item, child(pointer, index), depth + 1));
    const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null;
    if (prototype !== null && prototype !== Object.prototype) {
      const name = prototype.constructor?.name;
      return refuse(pointer, typeof name === 'string' && name !== '' ? `a ${name}` : 'an object of a class');
    }
    const result: Record<string, unknown> = Object.create(null);
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key];
      if (item !== undefined) result[key] = read(item, child(pointer, key), depth + 1);
    }
    return result;
  };
  const json = JSON.stringify(read(definition, '', 0));
  return { json, functions, unreadable };
}
