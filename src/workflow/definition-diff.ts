/** What is different between two published definitions of a workflow. */
import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject, type JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';
import { unifiedDiff } from './text-diff.ts';

/** A value that is not there is null. */
export interface FieldChange {
  /** Into the definition. */
  pointer: string;
  before: JsonValue;
  after: JsonValue;
}

export interface CodeChange {
  /** The files that the code is in, null for code in the definition. */
  fileBefore: string | null;
  fileAfter: string | null;
  /** Hunks of a unified diff, '' when only the file is another. */
  diff: string;
}

export interface NodeChange {
  name: string;
  typeBefore: string;
  typeAfter: string;
  fields: FieldChange[];
  code: CodeChange | null;
}

export interface DefinitionDiff {
  isSame: boolean;
  /** Keys of the workflow itself, but for its nodes. */
  settings: FieldChange[];
  nodes: {
    added: { name: string; type: string }[];
    removed: { name: string; type: string }[];
    changed: NodeChange[];
    /** The same nodes in another order: it decides which one is the first where `start` is left out. */
    isReordered: boolean;
  };
}

export function diffDefinitions(beforeText: string, afterText: string): DefinitionDiff {
  const before = JSON.parse(beforeText) as JsonObject;
  const after = JSON.parse(afterText) as JsonObject;
  const { nodes: beforeNodes, ...beforeSettings } = before;
  const { nodes: afterNodes, ...afterSettings } = after;
  const from = isJsonObject(beforeNodes) ? beforeNodes : {};
  const to = isJsonObject(afterNodes) ? afterNodes : {};
  const kept = Object.keys(from).filter((name) => Object.hasOwn(to, name));
  return {
    isSame: beforeText === afterText,
    settings: diffFields(beforeSettings, afterSettings, ''),
    nodes: {
      added: namesOnlyIn(to, from),
      removed: namesOnlyIn(from, to),
      changed: kept.flatMap((name) => diffNode(name, objectAt(from, name), objectAt(to, name))),
      isReordered:
        kept.join() !==
        Object.keys(to)
          .filter((name) => Object.hasOwn(from, name))
          .join(),
    },
  };
}

function objectAt(nodes: JsonObject, name: string): JsonObject {
  const node = nodes[name];
  return isJsonObject(node) ? node : {};
}

function namesOnlyIn(nodes: JsonObject, others: JsonObject): { name: string; type: string }[] {
  return Object.keys(nodes)
    .filter((name) => !Object.hasOwn(others, name))
    .map((name) => ({ name, type: String(objectAt(nodes, name).type) }));
}

function diffNode(name: string, before: JsonObject, after: JsonObject): NodeChange[] {
  if (isDeepStrictEqual(before, after) && JSON.stringify(before) === JSON.stringify(after)) return [];
  const isCode = before.type === 'code' && after.type === 'code';
  const { code: codeBefore, ...restBefore } = before;
  const { code: codeAfter, ...restAfter } = after;
  const pointer = childPointer('/nodes', name);
  return [
    {
      name,
      typeBefore: String(before.type),
      typeAfter: String(after.type),
      fields: isCode ? diffFields(restBefore, restAfter, pointer) : diffFields(before, after, pointer),
      code: isCode ? diffCode(codeBefore ?? '', codeAfter ?? '') : null,
    },
  ];
}

function diffCode(before: JsonValue, after: JsonValue): CodeChange | null {
  const [textBefore, fileBefore] = codeOf(before);
  const [textAfter, fileAfter] = codeOf(after);
  if (textBefore === textAfter && fileBefore === fileAfter) return null;
  return { fileBefore, fileAfter, diff: unifiedDiff(textBefore, textAfter) };
}

function codeOf(code: JsonValue): [text: string, file: string | null] {
  if (!isJsonObject(code)) return [String(code), null];
  return [String(code.source ?? code.function ?? ''), String(code.file)];
}

function diffFields(before: JsonObject, after: JsonObject, pointer: string): FieldChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => ({
      pointer: childPointer(pointer, name),
      before: before[name] ?? null,
      after: after[name] ?? null,
    }));
}
