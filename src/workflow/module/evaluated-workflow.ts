import type { ImportDeclaration, Node } from 'acorn';
import type { Program } from '../../protocol/program.ts';
import { type AuthoredWorkflow, compileWorkflow } from '../compile.ts';
import type { Finding } from '../compiled.ts';
import type { ModuleBundle } from '../imports/module-bundle.ts';
import { isJsonObject, JsonDocument, type JsonObject, type JsonValue, parseJsonDocument } from '../parse-file.ts';
import { parentPointer } from '../pointer.ts';
import { type Bundle, bundleModules } from './bundle.ts';
import type { Evaluation, EvaluationFailure, Evaluator } from './evaluator.ts';
import { nameOf } from './exports.ts';
import { freeNamesOf, namesDeclaredBy } from './free-names.ts';
import { type FunctionCode, type FunctionImport, functionExpected } from './function-source.ts';
import { exportedNames, isPackage, type LinkedModules, specifiersOf } from './load-modules.ts';
import type { ParsedModule } from './parsed-module.ts';
import type { ReadDefinition } from './read-definition.ts';
import { staticPlaces } from './static-places.ts';
import { nodesOf } from './tree.ts';

export type EvaluatedWorkflow = { ok: true; workflow: AuthoredWorkflow } | { ok: false; findings: Finding[] };

/** Name of the one node of the program that evaluates a workflow file. */
const nodeName = 'workflow_file';

/**
 * Runs a workflow file and reads the definition that it exports.
 * @param packages what its modules import of packages; null when that is nothing.
 */
export async function evaluateWorkflow(
  linked: LinkedModules,
  evaluator: Evaluator,
  packages: ModuleBundle | null = null,
): Promise<EvaluatedWorkflow> {
  const entry = linked.modules.at(-1) as ParsedModule;
  const bundle = bundleModules(linked);
  const places = staticPlaces(entry);
  if (places.size === 0 && !exportsDefault(linked)) return failed(entry, missingDefault);
  const program = programOf(entry, bundle, packages);
  if (!program.ok) return { ok: false, findings: program.findings };
  const evaluation = await evaluator.evaluate(program.program);
  if (!evaluation.ok) return { ok: false, findings: [failureFinding(entry, bundle, evaluation.failure)] };
  const read = readResult(evaluation);
  if (read === null) return failed(entry, unreadableResult);
  const { document: json, problems } = parseJsonDocument(read.json);
  const document = new JsonDocument(entry.source, json?.value ?? null, places, entry.lines);
  const at = (pointer: string) => ({ file: entry.shownAs, pointer, ...document.placeOfValue(pointer) });
  const findings = problems.map((problem): Finding => ({ ...problem, ...at(problem.pointer) }));
  for (const { pointer, what } of read.unreadable) {
    const message = 'A workflow is plain data: JSON, and functions as the code of nodes.';
    findings.push({ ...at(pointer), code: 'bad-value', got: what, expected: 'JSON data', message });
  }
  for (const { pointer, source } of read.functions) {
    const found = placeFunction(pointer, source, linked.modules, document);
    if ('code' in found) findings.push({ ...at(pointer), ...found });
    else {
      const outside = outsideNames(pointer, found, linked.imports);
      const { imports } = outside;
      setCode(document.value, pointer, imports.length === 0 ? found.functionCode : { ...found.functionCode, imports });
      findings.push(...outside.findings);
    }
  }
  if (findings.length > 0) return { ok: false, findings };
  const functionFiles = new Map(linked.modules.map(({ name, shownAs }) => [name, shownAs]));
  return { ok: true, workflow: { file: entry.shownAs, document, codeFiles: new Map(), functionFiles } };
}

const missingDefault = {
  code: 'missing-export',
  got: 'no default export',
  expected: 'export default { "format": 1, … }',
  message: 'A workflow file exports its definition by default.',
};

const unreadableResult = {
  code: 'bad-value',
  got: 'a result that cannot be read',
  expected: 'export default { "format": 1, … }',
  message: 'The workflow file changed how its own result is read.',
};

function failed(
  entry: ParsedModule,
  problem: Pick<Finding, 'code' | 'got' | 'expected' | 'message'>,
): EvaluatedWorkflow {
  return { ok: false, findings: [{ file: entry.shownAs, pointer: '', line: 1, column: 1, ...problem }] };
}

function exportsDefault({ modules, imports }: LinkedModules): boolean {
  return exportedNames(modules.at(-1) as ParsedModule, imports).has('default');
}

/** The program is compiled like that of any workflow, so that everything that bounds code bounds this too. */
function programOf(
  entry: ParsedModule,
  bundle: Bundle,
  packages: ModuleBundle | null,
): { ok: true; program: Program } | { ok: false; findings: Finding[] } {
  const code = { file: './workflow-file.js', source: bundle.source };
  const definition = { format: 1, name: 'workflow-file', nodes: { [nodeName]: { type: 'code', code } } };
  const whole = packages === null ? definition : { ...definition, bundle: packages };
  const result = compileWorkflow(JSON.stringify(whole), {});
  if (!result.ok) {
    const findings = result.findings.map((finding): Finding => {
      const found = bundle.placeOf(finding);
      return {
        ...finding,
        file: (found?.module ?? entry).shownAs,
        pointer: '',
        ...(found?.place ?? { line: 1, column: 1 }),
      };
    });
    return { ok: false, findings };
  }
  const { program } = result.compiled;
  // It is given nothing: a workflow file is evaluated before there is any execution.
  const nodes = program.nodes.map((node) =>
    node.type === 'code' ? { ...node, code: { ...node.code, uses: [] } } : node,
  );
  return { ok: true, program: { ...program, nodes } };
}

const failureCodes = {
  error: 'evaluation-failed',
  timeout: 'evaluation-timeout',
  crash: 'evaluation-crashed',
  effect: 'evaluation-effect',
  unavailable: 'evaluation-unavailable',
} as const satisfies Record<EvaluationFailure['reason'], string>;

function failureFinding(entry: ParsedModule, bundle: Bundle, { reason, message, place }: EvaluationFailure): Finding {
  const found = place === null ? null : bundle.placeOf(place);
  return {
    file: (found?.module ?? entry).shownAs,
    pointer: '',
    ...(found?.place ?? { line: 1, column: 1 }),
    code: failureCodes[reason],
    got: message,
    expected: 'a module that comes to its end by itself, quickly and without effects',
    message: 'The workflow file could not be evaluated.',
  };
}

function readResult(evaluation: Evaluation & { ok: true }): ReadDefinition | null {
  try {
    const { json, functions, unreadable } = JSON.parse(evaluation.json) as ReadDefinition;
    const isText = (value: unknown): value is string => typeof value === 'string';
    const isGood =
      isText(json) &&
      functions.every(({ pointer, source }) => isText(pointer) && isText(source)) &&
      unreadable.every(({ pointer, what }) => isText(pointer) && isText(what));
    return isGood ? { json, functions, unreadable } : null;
  } catch {
    return null;
  }
}

interface PlacedFunction {
  functionCode: FunctionCode;
  module: ParsedModule;
  node: Node;
  scopes: readonly Node[];
}

/** The function in the author's text. Of several with the same text the one that stands at the pointer, else any: they do the same. */
function placeFunction(
  pointer: string,
  source: string,
  modules: readonly ParsedModule[],
  document: JsonDocument,
): PlacedFunction | Pick<Finding, 'code' | 'got' | 'expected' | 'message'> {
  const got = source.startsWith('class') ? 'a class' : 'a function';
  if (!/^\/nodes\/[^/]+\/code$/.test(pointer)) {
    const message = 'A function can only be the "code" of a node.';
    return { code: 'bad-value', got, expected: 'JSON data', message };
  }
  if (source.startsWith('class')) {
    const message = 'The code of a node is a function, not a class.';
    return { code: 'bad-value', got, expected: functionExpected, message };
  }
  const candidates = modules.flatMap((module) => functionsLike(source, module));
  const { line, column } = document.placeOfValue(pointer);
  const found =
    candidates.find(({ functionCode }) => functionCode.line === line && functionCode.column === column) ??
    candidates[0];
  if (found !== undefined) return found;
  const message =
    'The source of the function is not in the workflow file: write it there, or in a module that it imports.';
  return { code: 'bad-value', got: source.slice(0, 60), expected: functionExpected, message };
}

function functionsLike(source: string, module: ParsedModule): PlacedFunction[] {
  const found: PlacedFunction[] = [];
  for (const { node, scopes } of nodesOf(module.tree)) {
    const isFunction =
      node.type.includes('Function') || (node.type === 'Property' && (node as Node & { method: boolean }).method);
    if (!isFunction || module.javascript.slice(node.start, node.end) !== source) continue;
    const functionCode = {
      file: module.name,
      function: module.source.slice(node.start, node.end),
      ...module.lines.placeOf(node.start),
    };
    found.push({
      functionCode,
      module,
      node: 'value' in node && node.type === 'Property' ? (node.value as Node) : node,
      scopes,
    });
  }
  return found;
}

function setCode(definition: JsonValue, pointer: string, code: FunctionCode): void {
  const node = valueAt(definition, parentPointer(pointer));
  if (node !== null) node.code = Object.assign(Object.create(null) as JsonObject, code);
}

function valueAt(definition: JsonValue, pointer: string): JsonObject | null {
  let at: JsonValue | undefined = definition;
  for (const part of pointer.split('/').slice(1)) {
    at = isJsonObject(at) ? at[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return isJsonObject(at) ? at : null;
}

/** Names that a function takes from where it is written: it runs elsewhere, alone, with what it uses of packages. */
function outsideNames(
  pointer: string,
  { node, module, scopes }: PlacedFunction,
  imports: LinkedModules['imports'],
): { findings: Finding[]; imports: FunctionImport[] } {
  const findings: Finding[] = [];
  const fromPackages: FunctionImport[] = [];
  for (const [name, start] of freeNamesOf(node)) {
    const scope = scopes.findLast((one) => namesDeclaredBy(one).has(name));
    if (scope === undefined) continue;
    const imported = scope.type === 'Program' ? packageImport(name, module, imports) : null;
    if (imported !== null) {
      fromPackages.push(imported);
      continue;
    }
    const { line } = module.lines.placeOf(namesDeclaredBy(scope).get(name) as number);
    findings.push({
      file: module.shownAs,
      pointer,
      ...module.lines.placeOf(start),
      code: 'outside-name',
      got: name,
      expected: 'only its parameters, its own names, imports of packages, and globals',
      message: `"${name}" is declared outside of the function, in line ${line}. The function runs alone: declare it inside, or keep it in a file of code.`,
    });
  }
  return { findings, imports: fromPackages };
}

/** The import of a package by which the module has the name; null when it has it otherwise. */
function packageImport(name: string, module: ParsedModule, imports: LinkedModules['imports']): FunctionImport | null {
  for (const { node, specifier } of specifiersOf(module)) {
    if (node.type !== 'ImportDeclaration' || !isPackage(imports.get(module)?.get(specifier))) continue;
    const found = (node as ImportDeclaration).specifiers.find(({ local }) => local.name === name);
    if (found === undefined) continue;
    if (found.type === 'ImportNamespaceSpecifier') return { from: specifier, name: '*', as: name };
    const imported = found.type === 'ImportDefaultSpecifier' ? 'default' : nameOf(found.imported);
    return { from: specifier, name: imported, as: name };
  }
  return null;
}
