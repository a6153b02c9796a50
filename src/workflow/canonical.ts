import { isJsonObject, type JsonObject, type JsonValue } from './parse-file.ts';

/**
 * The definition as it is published: its own keys sorted, without comments, and every code file with its content. The order of
 * nodes counts (the first one is the start), as does that of keys in values, which is the order in which they are answered.
 */
export function canonicalText(definition: JsonObject, codeFiles: ReadonlyMap<string, string>): string {
  const nodes: JsonObject = Object.create(null);
  for (const [name, node] of Object.entries(isJsonObject(definition.nodes) ? definition.nodes : {})) {
    nodes[name] = isJsonObject(node) ? sortKeys(inlineCode(node, codeFiles)) : node;
  }
  const canonical: JsonObject = { ...definition, nodes };
  if (Array.isArray(definition.triggers)) {
    canonical.triggers = definition.triggers.map((trigger) => (isJsonObject(trigger) ? sortKeys(trigger) : trigger));
  }
  return JSON.stringify(sortKeys(canonical));
}

function inlineCode(node: JsonObject, codeFiles: ReadonlyMap<string, string>): JsonObject {
  const { code } = node;
  if (!isJsonObject(code) || typeof code.file !== 'string') return node;
  const source = codeFiles.get(code.file);
  return source === undefined ? node : { ...node, code: { file: code.file, source } };
}

function sortKeys(object: JsonObject): JsonObject {
  const sorted: JsonObject = Object.create(null);
  for (const key of Object.keys(object).sort()) sorted[key] = object[key] as JsonValue;
  return sorted;
}
