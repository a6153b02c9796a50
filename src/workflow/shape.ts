import type { z } from 'zod';
import { type FindingList, showValue } from './findings.ts';
import { didYouMean, listNames } from './names.ts';
import { isJsonObject, type JsonValue } from './parse-file.ts';
import { childPointer, pointerOf } from './pointer.ts';

/** An object of the workflow file as a schema takes it. */
interface Shaped<S extends z.ZodObject> {
  schema: S;
  value: JsonValue;
  pointer: string;
  /** What it is, for messages: `a workflow`, `a node of type http`. */
  what: string;
  /** Keys that belong to the format and do not exist in this version. */
  notAvailable: readonly string[];
}

/**
 * Checks the shape of an object. All that is wrong is a finding; the keys that are wrong are then left out, so that the rest can be
 * checked further. Null when the object does not have its shape without them.
 */
export function readShape<S extends z.ZodObject>(shaped: Shaped<S>, findings: FindingList): z.infer<S> | null {
  const result = shaped.schema.safeParse(shaped.value);
  if (result.success) return result.data;
  const wrongKeys = new Set<PropertyKey>();
  for (const issue of result.error.issues) {
    reportIssue(issue, [], shaped, findings);
    const [key] = issue.path;
    if (key !== undefined) wrongKeys.add(key);
    else if (issue.code === 'unrecognized_keys') for (const unknown of issue.keys) wrongKeys.add(unknown);
  }
  if (!isJsonObject(shaped.value)) return null;
  const rest = Object.fromEntries(Object.entries(shaped.value).filter(([key]) => !wrongKeys.has(key)));
  return shaped.schema.safeParse(rest).data ?? null;
}

/** A part of the workflow file whose `type` says which schema it has. */
interface Typed<M extends Record<string, z.ZodObject>> {
  schemas: M;
  value: JsonValue;
  pointer: string;
  noun: 'node' | 'trigger';
  notAvailableTypes: readonly string[];
  notAvailableKeys: (type: string) => readonly string[];
}

/** As `readShape`, with the schema of the value's own `type`. */
export function readTyped<M extends Record<string, z.ZodObject>>(
  { schemas, value, pointer, noun, notAvailableTypes, notAvailableKeys }: Typed<M>,
  findings: FindingList,
): z.infer<M[keyof M]> | null {
  const type = isJsonObject(value) ? value.type : undefined;
  if (typeof type === 'string' && Object.hasOwn(schemas, type)) {
    const schema = schemas[type] as M[keyof M];
    const what = `a ${noun} of type ${type}`;
    return readShape({ schema, value, pointer, what, notAvailable: notAvailableKeys(type) }, findings);
  }
  const types = Object.keys(schemas);
  const at = isJsonObject(value) ? childPointer(pointer, 'type') : pointer;
  const got = showValue(isJsonObject(value) ? type : value);
  const expected = `a type: ${listNames(types)}`;
  if (typeof type === 'string' && notAvailableTypes.includes(type)) {
    const message = `${capitalised(noun)}s of type ${got} are not available in this version.`;
    findings.add({ pointer: at, code: 'not-available', got, expected, message });
  } else {
    const hint = typeof type === 'string' ? didYouMean(type, types) : '';
    const code = type === undefined ? 'missing-key' : 'bad-value';
    findings.add({ pointer: at, code, got, expected, message: `A ${noun} needs a known "type".${hint}` });
  }
  return null;
}

type Issue = z.core.$ZodIssue;

function reportIssue<S extends z.ZodObject>(
  issue: Issue,
  parent: readonly PropertyKey[],
  shaped: Shaped<S>,
  findings: FindingList,
): void {
  const path = [...parent, ...issue.path];
  const pointer = shaped.pointer + pointerOf(path);
  const value = valueAt(shaped.value, path);
  const name = path.length === 0 ? shaped.what : `"${path.map(String).join('.')}"`;
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) reportKey(key, path, shaped, findings);
  } else if (value === undefined) {
    const message = `${capitalised(shaped.what)} needs ${name}.`;
    findings.add({ pointer, code: 'missing-key', got: 'nothing', expected: issue.message, message });
  } else if (issue.code === 'invalid_union') {
    // The branch that the value meant is the one that did not fail on the type of the whole value.
    const meant = issue.errors.find((branch) =>
      branch.every(({ code, path: at }) => code !== 'invalid_type' || at.length > 0),
    );
    for (const part of meant ?? []) reportIssue(part as Issue, path, shaped, findings);
    if (meant === undefined)
      reportValue(pointer, value, issue.message, `The value of ${name} is not allowed.`, findings);
  } else {
    const known = issue.code === 'invalid_value' ? issue.values.filter((one) => typeof one === 'string') : [];
    const hint = typeof value === 'string' ? didYouMean(value, known) : '';
    reportValue(pointer, value, issue.message, `The value of ${name} is not allowed.${hint}`, findings);
  }
}

function reportValue(
  pointer: string,
  value: JsonValue | undefined,
  expected: string,
  message: string,
  findings: FindingList,
): void {
  findings.add({ pointer, code: 'bad-value', got: showValue(value), expected, message });
}

function reportKey<S extends z.ZodObject>(
  key: string,
  path: readonly PropertyKey[],
  shaped: Shaped<S>,
  findings: FindingList,
): void {
  const pointer = childPointer(shaped.pointer + pointerOf(path), key);
  const known = path.length === 0 ? Object.keys(shaped.schema.shape) : [];
  const got = JSON.stringify(key);
  const expected = known.length === 0 ? 'only known keys' : `one of ${listNames(known)}`;
  if (path.length === 0 && shaped.notAvailable.includes(key)) {
    const message = `The key ${got} is not available in this version for ${shaped.what}.`;
    findings.add({ pointer, at: 'key', code: 'not-available', got, expected, message });
  } else {
    const message = `${capitalised(shaped.what)} has no key ${got}.${didYouMean(key, known)}`;
    findings.add({ pointer, at: 'key', code: 'unknown-key', got, expected, message });
  }
}

function valueAt(value: JsonValue, path: readonly PropertyKey[]): JsonValue | undefined {
  let at: JsonValue | undefined = value;
  for (const key of path) {
    if (Array.isArray(at)) at = at[Number(key)];
    else if (isJsonObject(at)) at = at[String(key)];
    else return undefined;
  }
  return at;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
