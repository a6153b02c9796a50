import type { AuthoredWorkflow } from '../compile.ts';
import { LineMap } from '../line-map.ts';
import type { CodeFile } from '../nodes.ts';
import { isJsonObject, type JsonObject } from '../parse-file.ts';
import { childPointer } from '../pointer.ts';
import type { PlacedImport } from './bundled-workflow.ts';
import { readImports } from './read-imports.ts';

/** All that the code nodes of a workflow import, with where it stands. */
export function importsOfNodes(
  { file, document, functionFiles }: AuthoredWorkflow,
  codeFiles: ReadonlyMap<string, CodeFile>,
): PlacedImport[] {
  const { value } = document;
  const nodes = isJsonObject(value) && isJsonObject(value.nodes) ? value.nodes : {};
  return Object.entries(nodes).flatMap(([name, node]): PlacedImport[] => {
    const code = isJsonObject(node) && node.type === 'code' ? node.code : undefined;
    const pointer = childPointer(childPointer('/nodes', name), 'code');
    if (typeof code === 'string') {
      return importsOfText(code, null, { file, pointer, inlineAt: document.placeOfValue(pointer) });
    }
    if (!isJsonObject(code) || typeof code.file !== 'string') return [];
    const from = code.file;
    if (Array.isArray(code.imports)) return importsOfFunction(code, functionFiles?.get(from) ?? file, pointer);
    const found = codeFiles.get(from);
    if (found?.ok !== true) return [];
    return importsOfText(found.source, from, { file: found.shownAs, pointer: childPointer(pointer, 'file') });
  });
}

function importsOfText(
  source: string,
  from: string | null,
  at: Pick<PlacedImport['place'], 'file' | 'pointer' | 'inlineAt'>,
): PlacedImport[] {
  const { names, bare } = readImports(source);
  const lines = new LineMap(source);
  const placed = (specifier: string, name: string | null, specifierStart: number, start: number): PlacedImport => ({
    specifier,
    name,
    from,
    place: { ...at, ...lines.placeOf(specifierStart) },
    namePlace: lines.placeOf(start),
  });
  return [
    ...names.map((one) => placed(one.specifier, one.name, one.specifierStart, one.start)),
    ...bare.map((one) => placed(one.specifier, null, one.specifierStart, one.specifierStart)),
  ];
}

/** The module of the function was bundled as a whole before: here nothing is missing any more. */
function importsOfFunction(code: JsonObject, file: string, pointer: string): PlacedImport[] {
  const at = { line: Number(code.line), column: Number(code.column) };
  return (code.imports as JsonObject[]).map((one) => ({
    specifier: String(one.from),
    name: String(one.name),
    from: String(code.file),
    place: { file, pointer, ...at },
    namePlace: at,
  }));
}
