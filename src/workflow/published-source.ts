/** A workflow as its author works on it, apart from files on a disk: the definition, and the code files that it names. */
import type { ResourceTable } from '../config/grants.ts';
import { type AuthoredWorkflow, type CompileResult, compileAuthored, namedCodeFiles, type Vars } from './compile.ts';
import type { Finding } from './compiled.ts';
import type { CodeFile } from './nodes.ts';
import { isJsonObject, type JsonDocument, type JsonObject, parseJsonDocument } from './parse-file.ts';

export interface WorkflowSource {
  /** JSON text, with comments when it is an author's. */
  definitionText: string;
  /** Texts of the code files, by the paths that the definition names them by. */
  files: Readonly<Record<string, string>>;
}

/** What findings call the definition, beside the names of code files. */
export const definitionFile = 'definition';

/**
 * Compiles what came in a request. The content of a code file is in `files`, or, as published definitions have it, beside its name
 * (`{ "file": "./price.ts", "source": "…" }`).
 */
export function compileSource(
  source: WorkflowSource,
  vars: Vars,
  historyClasses?: readonly string[],
  resources?: ResourceTable,
): CompileResult {
  const { document, problems } = parseJsonDocument(source.definitionText);
  const findings = problems.map((problem): Finding => ({ file: definitionFile, ...problem }));
  if (document === null) return { ok: false, findings };
  const separated = separate(document, source.files);
  // What a workflow module exported may come in its published form, with functions.
  const authored: AuthoredWorkflow = { file: definitionFile, functionFiles: new Map(), ...separated };
  const result = compileAuthored(authored, vars, historyClasses, resources);
  if (findings.length === 0) return result;
  return { ok: false, findings: result.ok ? findings : [...findings, ...result.findings] };
}

/** The source of a published definition. */
export function sourceOfPublished(definitionText: string): { definition: JsonObject; files: Record<string, string> } {
  const definition = JSON.parse(definitionText) as JsonObject;
  const files: Record<string, string> = {};
  for (const { file, source } of namedCodeFiles(definition)) if (source !== null) files[file] = source;
  return { definition: withoutSources(definition), files };
}

function separate(
  document: JsonDocument,
  given: Readonly<Record<string, string>>,
): { document: JsonDocument; codeFiles: Map<string, CodeFile> } {
  const codeFiles = new Map<string, CodeFile>();
  let hasInline = false;
  for (const { file, source } of namedCodeFiles(document.value)) {
    if (source !== null) hasInline = true;
    const text = source ?? (Object.hasOwn(given, file) ? given[file] : undefined);
    codeFiles.set(file, text === undefined ? missing(file, given) : { ok: true, shownAs: file, source: text });
  }
  if (!hasInline || !isJsonObject(document.value)) return { document, codeFiles };
  return { document: document.withValue(withoutSources(document.value)), codeFiles };
}

function missing(file: string, given: Readonly<Record<string, string>>): CodeFile {
  const names = Object.keys(given);
  return {
    ok: false,
    got: JSON.stringify(file),
    expected: names.length === 0 ? 'the file in "files", by this path' : `one of the files: ${names.join(', ')}`,
    message: `The content of the code file ${JSON.stringify(file)} was not sent.`,
  };
}

function withoutSources(definition: JsonObject): JsonObject {
  if (!isJsonObject(definition.nodes)) return definition;
  const nodes: JsonObject = Object.create(null);
  for (const [name, node] of Object.entries(definition.nodes)) {
    const code = isJsonObject(node) ? node.code : undefined;
    nodes[name] =
      isJsonObject(node) && isJsonObject(code) && typeof code.file === 'string' && typeof code.source === 'string'
        ? { ...node, code: { file: code.file } }
        : node;
  }
  return { ...definition, nodes };
}

/** The name that a definition gives itself, if it can be read so far. */
export function nameIn(definitionText: string): string | null {
  const value = parseJsonDocument(definitionText).document?.value;
  return isJsonObject(value) && typeof value.name === 'string' ? value.name : null;
}
