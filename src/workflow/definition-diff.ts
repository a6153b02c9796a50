/** What is different between two published definitions of a workflow. */
import { createHash } from 'node:crypto';
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
  /** Hunks of a unified diff, '' when only the file is another, or the line break at the end of code that is no whole file. */
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

/** The packages that a workflow imports are bundled: what changes in them is nobody's to read. */
function withShortBundle(settings: JsonObject): JsonObject {
  const { bundle } = settings;
  if (!isJsonObject(bundle) || typeof bundle.source !== 'string') return settings;
  const hash = createHash('sha256').update(bundle.source).digest('hex').slice(0, 12);
  return { ...settings, bundle: { ...bundle, source: `${bundle.source.length} characters, SHA-256 ${hash}…` } };
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
    settings: diffFields(withShortBundle(beforeSettings), withShortBundle(afterSettings), ''),
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
  const from = codeOf(before);
  const to = codeOf(after);
  if (from.text === to.text && from.file === to.file) return null;
  const isOfFiles = from.isWholeFile && to.isWholeFile;
  const diff = isOfFiles ? unifiedDiff(from.text, to.text) : unifiedDiff(asLines(from.text), asLines(to.text));
  return { fileBefore: from.file, fileAfter: to.file, diff };
}

interface CodeText {
  text: string;
  /** The file that it is in; null for code in the definition. */
  file: string | null;
  isWholeFile: boolean;
}

function codeOf(code: JsonValue): CodeText {
  if (!isJsonObject(code)) return { text: String(code), file: null, isWholeFile: false };
  const { source, function: functionText, file } = code;
  return { text: String(source ?? functionText ?? ''), file: String(file), isWholeFile: source !== undefined };
}

/** How a text that is no file ends says nothing. */
function asLines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
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
