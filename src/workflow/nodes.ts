import type { Code, ProgramNode } from '../protocol/program.ts';
import { type CodeLanguage, compileCode } from './code.ts';
import { type NodeDefinition, type NodeOf, nodeSchemas } from './definition.ts';
import { checkErrorMentions } from './error-mentions.ts';
import type { CodeProblem, FindingList } from './findings.ts';
import type { ModuleBundle } from './imports/module-bundle.ts';
import { workflowLimits } from './limits.ts';
import { compileFunction, type FunctionCode } from './module/function-source.ts';
import { notAvailable } from './not-available.ts';
import type { JsonObject, JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';
import { compileNode } from './program-nodes.ts';
import { readTyped } from './shape.ts';

/** The content of a code file that a definition names, or why it could not be had. */
export type CodeFile =
  | { ok: true /** As findings show it. */; shownAs: string; source: string }
  | { ok: false; got: string; expected: string; message: string };

/** Where the code of nodes comes from. */
export interface CodeSources {
  codeFiles: ReadonlyMap<string, CodeFile>;
  /** Of a workflow module: what findings call the files of its functions. Null for a file that cannot hold functions. */
  functionFiles: ReadonlyMap<string, string> | null;
  isPublished: boolean;
  /** The packages that code imports. */
  bundle: ModuleBundle | null;
}

/** The nodes of a definition, but for those whose shape has findings. */
export function compileNodes(nodes: JsonObject, sources: CodeSources, findings: FindingList): ProgramNode[] {
  const nodeNames = new Set(Object.keys(nodes));
  const context = {
    nodeNames,
    report: findings.add.bind(findings),
    compileCode: (code: NodeOf<'code'>['code'], pointer: string): Code | null =>
      compileNodeCode(code, pointer, { ...sources, nodeNames, findings }),
  };
  const programNodes: ProgramNode[] = [];
  for (const [name, value] of Object.entries(nodes).slice(0, workflowLimits.nodesMax)) {
    const node = readNode(value, childPointer('/nodes', name), findings);
    if (node !== null) programNodes.push(withErrorEdge(compileNode(name, node, context), node));
  }
  if (!sources.isPublished) checkErrorMentions(programNodes, findings);
  return programNodes;
}

function withErrorEdge(compiled: ProgramNode, node: NodeDefinition): ProgramNode {
  const onError = 'onError' in node ? node.onError : undefined;
  return onError === undefined ? compiled : { ...compiled, onError };
}

function readNode(value: JsonValue, pointer: string, findings: FindingList): NodeDefinition | null {
  return readTyped(
    {
      schemas: nodeSchemas,
      value,
      pointer,
      noun: 'node',
      notAvailableTypes: notAvailable.nodeTypes,
      notAvailableKeys: (type) => [...notAvailable.nodeKeys, ...(notAvailable.keysOfNodeType[type] ?? [])],
    },
    findings,
  );
}

interface CodeContext extends CodeSources {
  nodeNames: ReadonlySet<string>;
  findings: FindingList;
}

function compileNodeCode(code: NodeOf<'code'>['code'], pointer: string, context: CodeContext): Code | null {
  const { codeFiles, isPublished, nodeNames, findings, bundle } = context;
  const report = (origin: string | null, problems: CodeProblem[], at: string): null => {
    for (const problem of problems) findings.addInCode({ pointer: at, file: origin }, problem);
    return null;
  };
  if (typeof code === 'string') {
    const result = compileCode(code, 'inline', null, nodeNames, bundle);
    return result.ok ? result.code : report(null, result.problems, pointer);
  }
  if ('function' in code) return compileNodeFunction(code, pointer, context);
  const filePointer = childPointer(pointer, 'file');
  if (code.source !== undefined && !isPublished) {
    const message = 'The code is in the file or in "code" itself: write one of them.';
    const sourcePointer = childPointer(pointer, 'source');
    findings.add({
      pointer: sourcePointer,
      at: 'key',
      code: 'unknown-key',
      got: '"source"',
      expected: 'only "file"',
      message,
    });
    return null;
  }
  const found = codeFiles.get(code.file);
  if (found === undefined || !found.ok) {
    const { got, expected, message } = found ?? missingSource(code.file);
    findings.add({ pointer: filePointer, code: 'code-file', got, expected, message });
    return null;
  }
  const language: CodeLanguage = code.file.endsWith('.ts') ? 'typescript' : 'javascript';
  const result = compileCode(found.source, language, code.file, nodeNames, bundle);
  return result.ok ? result.code : report(found.shownAs, result.problems, filePointer);
}

function compileNodeFunction(code: FunctionCode, pointer: string, context: CodeContext): Code | null {
  const { functionFiles, isPublished, nodeNames, findings, bundle } = context;
  if (functionFiles === null && !isPublished) {
    const message =
      'A function belongs into a *.workflow.ts or *.workflow.js file. Here the code is a text, or in a file.';
    const at = { pointer: childPointer(pointer, 'function'), at: 'key', got: '"function"' } as const;
    findings.add({ ...at, code: 'unknown-key', expected: 'a string, or { "file": "./name.ts" }', message });
    return null;
  }
  const result = compileFunction(code, nodeNames, bundle);
  if (result.ok) return result.code;
  const file = functionFiles?.get(code.file) ?? code.file;
  for (const problem of result.problems) findings.addInCode({ pointer, file }, problem);
  return null;
}

function missingSource(file: string): { got: string; expected: string; message: string } {
  const message = `The definition does not hold the content of ${JSON.stringify(file)}.`;
  return { got: JSON.stringify(file), expected: '"source" beside "file"', message };
}
