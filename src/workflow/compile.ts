import { parseDuration } from '../config/duration.ts';
import type { ResourceTable } from '../config/grants.ts';
import type { Program, ProgramNode } from '../protocol/program.ts';
import { canonicalText } from './canonical.ts';
import type { CompiledWorkflow, Finding } from './compiled.ts';
import { type WorkflowDefinition, workflowSchema } from './definition.ts';
import { FindingList, showValue } from './findings.ts';
import { checkGraph } from './graph.ts';
import { type ModuleBundle, readBundle } from './imports/module-bundle.ts';
import { workflowLimits } from './limits.ts';
import { listNames, nodeNameExpected, nodeNamePattern, reservedNodeNames } from './names.ts';
import { type CodeFile, compileNodes } from './nodes.ts';
import { notAvailable } from './not-available.ts';
import { isJsonObject, type JsonDocument, type JsonObject, type JsonValue, parseJsonDocument } from './parse-file.ts';
import { childPointer } from './pointer.ts';
import { checkResources } from './resource-grants.ts';
import { readShape } from './shape.ts';
import { type PlacedTrigger, readTriggers } from './triggers.ts';
import { effectPartsOf, usesOf } from './uses.ts';
import { webGlobalsOf } from './web-globals.ts';

/** Values of `vars.NAME`, from the configuration. */
export type Vars = Readonly<Record<string, string | number | boolean>>;

/** A workflow file as an author wrote it, with the code files that it names, by the text that names them. */
export interface AuthoredWorkflow {
  /** As findings show it. */
  file: string;
  document: JsonDocument;
  codeFiles: ReadonlyMap<string, CodeFile>;
  /** Of a workflow module: what findings call each file that functions are from. */
  functionFiles?: ReadonlyMap<string, string>;
}

export type CompileResult = { ok: true; compiled: CompiledWorkflow } | { ok: false; findings: Finding[] };

/**
 * Compiles the canonical text of a published definition (`CompiledWorkflow.definitionText`). The same text and vars give the same
 * program.
 */
export function compileWorkflow(definitionText: string, vars: Vars): CompileResult {
  const file = 'definition';
  const { document, problems } = parseJsonDocument(definitionText);
  const problemFindings = problems.map((problem): Finding => ({ file, ...problem }));
  if (document === null) return { ok: false, findings: problemFindings };
  const codeFiles = new Map<string, CodeFile>();
  for (const { file: name, source } of namedCodeFiles(document.value)) {
    if (source !== null) codeFiles.set(name, { ok: true, shownAs: name, source });
  }
  const result = compileDocument({ file, document, codeFiles }, vars, true);
  if (problems.length === 0) return result;
  return { ok: false, findings: result.ok ? problemFindings : [...problemFindings, ...result.findings] };
}

/**
 * Compiles what an author wrote; the findings are all that is wrong with it.
 * @param historyClasses names that `history.class` may have; undefined where the configuration of the server is not known. A
 *   published version is not checked: its executions go on when a class is not configured any more.
 * @param resources what the server grants; undefined where its configuration is not known.
 */
export function compileAuthored(
  workflow: AuthoredWorkflow,
  vars: Vars,
  historyClasses?: readonly string[],
  resources?: ResourceTable,
): CompileResult {
  return compileDocument(workflow, vars, false, historyClasses, resources);
}

/** The code files that a definition names. `source` is set in a published one. */
export function namedCodeFiles(value: JsonValue): { file: string; source: string | null }[] {
  const nodes = isJsonObject(value) && isJsonObject(value.nodes) ? Object.values(value.nodes) : [];
  return nodes.flatMap((node) => {
    const code = isJsonObject(node) && node.type === 'code' ? node.code : undefined;
    if (!isJsonObject(code) || typeof code.file !== 'string' || code.function !== undefined) return [];
    return [{ file: code.file, source: typeof code.source === 'string' ? code.source : null }];
  });
}

function compileDocument(
  workflow: AuthoredWorkflow,
  vars: Vars,
  isPublished: boolean,
  historyClasses?: readonly string[],
  resources?: ResourceTable,
): CompileResult {
  const { file, document, codeFiles, functionFiles = null } = workflow;
  const findings = new FindingList(file, document);
  const { value } = document;
  if (!isJsonObject(value)) {
    findings.add({
      pointer: '',
      code: 'bad-value',
      got: showValue(value),
      expected: 'an object',
      message: 'A workflow is an object.',
    });
    return { ok: false, findings: findings.sorted };
  }
  const { bundle: bundleValue, ...authored } = value;
  const bundle = readBundle(bundleValue, findings);
  const definition = readWorkflow(authored, findings);
  if (historyClasses !== undefined) checkHistoryClass(definition?.history?.class, historyClasses, findings);
  const triggers = readTriggers(value.triggers, findings);
  const nodes = isJsonObject(value.nodes) ? value.nodes : {};
  if (isJsonObject(value.nodes)) checkNodeNames(nodes, findings);
  checkGraph(nodes, value.start, findings);
  const programNodes = compileNodes(nodes, { codeFiles, functionFiles, isPublished, bundle }, findings);
  const modules = programNodes.some(hasImports) ? bundle : null;
  if (modules !== null) checkIsolation(value.isolation, findings);
  const effectFree = programNodes.every(isEffectFree);
  if (!effectFree) refuseHeadTriggers(triggers, findings);

  const sources = [...codeFiles].flatMap(([name, found]): [string, string][] =>
    found.ok ? [[name, found.source]] : [],
  );
  const definitionText = canonicalText(modules === null ? authored : value, new Map(sources));
  if (definitionText.length > workflowLimits.textSizeMax) {
    const expected = `at most ${workflowLimits.textSizeMax}`;
    const message = 'The workflow is too large with its code files.';
    findings.add({ pointer: '', code: 'too-large', got: `${definitionText.length} characters`, expected, message });
  }
  if (definition === null || !findings.isEmpty) return { ok: false, findings: findings.sorted };
  const compiled = assemble(definition, triggers, programNodes, effectFree, vars, definitionText, modules);
  if (resources !== undefined) checkResources(compiled, resources, findings);
  return findings.isEmpty ? { ok: true, compiled } : { ok: false, findings: findings.sorted };
}

function assemble(
  definition: WorkflowDefinition,
  triggers: PlacedTrigger[],
  nodes: ProgramNode[],
  effectFree: boolean,
  vars: Vars,
  definitionText: string,
  bundle: ModuleBundle | null,
): CompiledWorkflow {
  const {
    name,
    description = '',
    durability = 'durable',
    timeout = '30s',
    start = nodes[0]?.name as string,
    isolation = 'shared',
  } = definition;
  const varsJson = JSON.stringify(Object.fromEntries(Object.entries(vars).sort(([a], [b]) => (a < b ? -1 : 1))));
  const webGlobals = webGlobalsOf(nodes, bundle?.globals);
  const program: Program = {
    workflow: name,
    start,
    nodes,
    varsJson,
    webGlobals,
    effectParts: effectPartsOf(nodes),
    isolation,
    ...(bundle === null ? {} : { modules: bundle.source }),
  };
  const timeoutMs = parseDuration(timeout) as number;
  return {
    name,
    description,
    triggers: triggers.map(({ trigger }) => trigger),
    durability,
    timeoutMs,
    historyClass: definition.history?.class ?? null,
    trustGroup: definition.trustGroup ?? null,
    effectFree,
    uses: usesOf(program),
    program,
    definitionText,
  };
}

function readWorkflow(value: JsonObject, findings: FindingList): WorkflowDefinition | null {
  const what = 'a workflow';
  return readShape(
    { schema: workflowSchema, value, pointer: '', what, notAvailable: notAvailable.workflowKeys },
    findings,
  );
}

function checkHistoryClass(name: string | undefined, known: readonly string[], findings: FindingList): void {
  if (name === undefined || known.includes(name)) return;
  findings.add({
    pointer: '/history/class',
    code: 'unknown-history-class',
    got: JSON.stringify(name),
    expected: known.length === 0 ? 'none: [history] classes is empty' : `one of ${known.join(', ')}`,
    message: `The server has no retention class ${JSON.stringify(name)}. Name one of [history] classes, or leave "history" out.`,
  });
}

function checkNodeNames(nodes: JsonObject, findings: FindingList): void {
  const names = Object.keys(nodes);
  for (const name of names) {
    const at = { pointer: childPointer('/nodes', name), at: 'key', got: JSON.stringify(name) } as const;
    if (reservedNodeNames.has(name)) {
      const message = `The name ${at.got} means something else in code and expressions. Choose another one.`;
      findings.add({ ...at, code: 'reserved-name', expected: `none of ${listNames(reservedNodeNames)}`, message });
    } else if (!nodeNamePattern.test(name)) {
      findings.add({ ...at, code: 'bad-name', expected: nodeNameExpected, message: 'A node cannot have this name.' });
    }
  }
  const { nodesMax } = workflowLimits;
  if (names.length > 0 && names.length <= nodesMax) return;
  const message = names.length === 0 ? 'A workflow has at least one node.' : 'A workflow cannot have so many nodes.';
  findings.add({
    pointer: '/nodes',
    code: 'too-many',
    got: `${names.length} nodes`,
    expected: `1 to ${nodesMax} nodes`,
    message,
  });
}

/** Code that cannot wait cannot have an effect either. */
function isEffectFree(node: ProgramNode): boolean {
  return node.type === 'code' ? !node.code.async : node.type !== 'effect';
}

function hasImports(node: ProgramNode): boolean {
  return node.type === 'code' && node.code.imports !== undefined;
}

/** Modules keep what they like from run to run. */
function checkIsolation(isolation: JsonValue | undefined, findings: FindingList): void {
  if (isolation !== 'shared') return;
  findings.add({
    pointer: '/isolation',
    code: 'bad-value',
    got: '"shared"',
    expected: 'no "isolation", or "fresh"',
    message:
      'Packages keep state of their own in the VM, so a workflow that imports some cannot share it as others do. Leave "isolation" out: one run at a time has the VM. "fresh" evaluates the packages anew for each run.',
  });
}

function refuseHeadTriggers(triggers: readonly PlacedTrigger[], findings: FindingList): void {
  for (const { trigger, pointer } of triggers) {
    if (trigger.type !== 'http' || trigger.method !== 'HEAD') continue;
    const message = 'HEAD changes nothing: only a workflow without effects can answer it.';
    findings.add({
      pointer: childPointer(pointer, 'method'),
      code: 'bad-value',
      got: '"HEAD"',
      expected: 'GET, POST, …, or no node with effects',
      message,
    });
  }
}
