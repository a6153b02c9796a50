import { type Dirent, readFileSync } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { ResourceTable } from '../config/grants.ts';
import { type AuthoredWorkflow, compileAuthored, namedCodeFiles, type Vars } from './compile.ts';
import type { CompiledWorkflow, Finding, HttpTrigger } from './compiled.ts';
import { createPackageBundler, type PackageBundler } from './imports/bundle-packages.ts';
import { type BundleHost, bundleImports, withBundle } from './imports/bundled-workflow.ts';
import { importsOfNodes } from './imports/code-node-imports.ts';
import type { ModuleBundle } from './imports/module-bundle.ts';
import { workflowLimits } from './limits.ts';
import type { Place } from './line-map.ts';
import { evaluateWorkflow } from './module/evaluated-workflow.ts';
import type { Evaluator } from './module/evaluator.ts';
import { loadModules, type ReadImport } from './module/load-modules.ts';
import { packageImportsOf } from './module/package-imports.ts';
import { type ParsedModule, parseModule } from './module/parsed-module.ts';
import type { CodeFile } from './nodes.ts';
import { type JsonDocument, parseJsonDocument } from './parse-file.ts';
import { findRouteConflicts } from './routes.ts';

/** A workflow from a file; `file` as findings show it. */
export type LoadedWorkflow = CompiledWorkflow & { file: string };

export interface LoadedFiles {
  workflows: LoadedWorkflow[];
  findings: Finding[];
  /** Workflow files that are there and were not loaded, as findings show them. */
  refused: string[];
  /** False when a path or a folder could not be read: there may be more files. */
  isComplete: boolean;
  /** Where the value of a JSON pointer stands in the file of a loaded workflow, as findings show the file; null for another file. */
  placeOf(file: string, pointer: string): Place | null;
}

export interface LoadOptions {
  vars?: Vars;
  /** Names of the retention classes of the server; without them a workflow may name any. */
  historyClasses?: readonly string[];
  /** What the server grants to workflows; without it a workflow may name any resource. */
  resources?: ResourceTable;
  /** What relative paths start from, and what files are shown relative to. Default: the working folder. */
  folder?: string;
  /** Runs workflow modules. Without one they cannot be loaded. */
  evaluator?: Evaluator;
}

const jsonSuffix = '.workflow.json';
/** Their default export is the definition. */
const moduleSuffixes = ['.workflow.ts', '.workflow.js'];
export const workflowFileSuffixes: readonly string[] = [jsonSuffix, ...moduleSuffixes];
const workflowFilesExpected = `a folder, or a file *${workflowFileSuffixes.join(', *')}`;

export function isWorkflowFile(name: string): boolean {
  return workflowFileSuffixes.some((suffix) => name.endsWith(suffix));
}

function isWorkflowModule(name: string): boolean {
  return moduleSuffixes.some((suffix) => name.endsWith(suffix));
}

/** A workflow file to be read. */
interface Candidate {
  path: string;
  shownAs: string;
  /** Real path of the folder that its code files may not leave. */
  root: string;
}

interface Loaded {
  workflow: LoadedWorkflow;
  document: JsonDocument;
}

/**
 * Reads and compiles workflow files: the files given, and those in the folders given and the folders below them (but for
 * `node_modules` and folders that begin with a dot). A file with findings does not keep the others from being loaded; files that
 * contradict each other, by name or by route, are all left out.
 */
export async function loadWorkflowFiles(paths: readonly string[], options: LoadOptions = {}): Promise<LoadedFiles> {
  const folder = resolve(options.folder ?? '.');
  const findings: Finding[] = [];
  const candidates = await findCandidates(paths, folder, findings);
  const isComplete = findings.length === 0;
  const loaded: Loaded[] = [];
  const bundler = createPackageBundler();
  try {
    for (const candidate of candidates) {
      const result = await loadFile(candidate, folder, options, bundler);
      findings.push(...result.findings);
      if (result.loaded !== null) loaded.push(result.loaded);
    }
  } finally {
    await bundler.close();
  }
  const workflows = withoutConflicts(withoutDuplicates(loaded, findings), findings).map(({ workflow }) => workflow);
  const loadedFiles = new Set(workflows.map(({ file }) => file));
  const refused = candidates.map(({ shownAs }) => shownAs).filter((file) => !loadedFiles.has(file));
  const placeOf = (file: string, pointer: string): Place | null =>
    loaded.find(({ workflow }) => workflow.file === file)?.document.placeOfValue(pointer) ?? null;
  return { workflows, findings, refused, isComplete, placeOf };
}

async function findCandidates(paths: readonly string[], folder: string, findings: Finding[]): Promise<Candidate[]> {
  const candidates = new Map<string, Candidate>();
  for (const given of paths) {
    const path = resolve(folder, given);
    const shownAs = showPath(path, folder);
    const kind = await kindOf(path);
    if (kind === 'folder') {
      const root = await realpath(path);
      for (const file of await workflowFilesIn(path, folder, findings)) {
        if (!candidates.has(file)) candidates.set(file, { path: file, shownAs: showPath(file, folder), root });
      }
    } else if (kind === 'file') {
      if (!candidates.has(path)) candidates.set(path, { path, shownAs, root: await realpath(dirname(path)) });
    } else {
      const message = 'There is no such file or folder.';
      findings.push(fileFinding(shownAs, { got: kind, expected: workflowFilesExpected, message }));
    }
  }
  return [...candidates.values()];
}

/**
 * The text of a file by the name that findings show, for `formatFindings`; null when it cannot be read any more. Each file is read
 * once.
 */
export function createSourceReader(folder = '.'): (file: string) => string | null {
  const texts = new Map<string, string | null>();
  return (file) => {
    let text = texts.get(file);
    if (text === undefined) {
      try {
        text = readFileSync(resolve(folder, file), 'utf8');
      } catch {
        text = null;
      }
      texts.set(file, text);
    }
    return text;
  };
}

/** Sorted, so that the order in which a disk lists them does not matter. */
async function workflowFilesIn(path: string, folder: string, findings: Finding[]): Promise<string[]> {
  const files: string[] = [];
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error);
    const message = 'The folder could not be read.';
    findings.push(fileFinding(showPath(path, folder), { got, expected: 'a folder that can be read', message }));
    return files;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const child = join(path, entry.name);
    if (entry.name === 'node_modules' || entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) files.push(...(await workflowFilesIn(child, folder, findings)));
    else if (isWorkflowFile(entry.name)) files.push(child);
  }
  return files;
}

async function loadFile(
  candidate: Candidate,
  folder: string,
  { vars = {}, historyClasses, resources, evaluator }: LoadOptions,
  bundler: PackageBundler,
): Promise<{ loaded: Loaded | null; findings: Finding[] }> {
  const { path, shownAs, root } = candidate;
  const read = await readText(path);
  if (!read.ok) return { loaded: null, findings: [fileFinding(shownAs, read)] };
  const host = await bundleHost(candidate, folder, bundler, evaluator);
  const authored = isWorkflowModule(path)
    ? await authoredByModule(read.text, candidate, folder, host)
    : authoredAsJson(read.text, shownAs);
  const { workflow, findings } = authored;
  if (workflow === null) return { loaded: null, findings };

  const codeFiles = new Map<string, CodeFile>();
  for (const { file } of namedCodeFiles(workflow.document.value)) {
    if (!codeFiles.has(file)) codeFiles.set(file, await readCodeFile(file, dirname(path), root, folder));
  }
  let { document } = workflow;
  const imports = importsOfNodes(workflow, codeFiles);
  if (imports.length > 0) {
    const bundled = await bundleImports(imports, host);
    if (!bundled.ok) return { loaded: null, findings: [...findings, ...bundled.findings] };
    document = withBundle(document, bundled.bundle);
  }
  const result = compileAuthored({ ...workflow, document, codeFiles }, vars, historyClasses, resources);
  if (!result.ok) findings.push(...result.findings);
  const loaded =
    result.ok && findings.length === 0 ? { workflow: { ...result.compiled, file: shownAs }, document } : null;
  return { loaded, findings };
}

/** What a file says, before its code files are read; null when there is nothing to go on with. */
interface Authored {
  workflow: AuthoredWorkflow | null;
  findings: Finding[];
}

function authoredAsJson(text: string, file: string): Authored {
  const { document, problems } = parseJsonDocument(text);
  const findings = problems.map((problem): Finding => ({ file, ...problem }));
  return { workflow: document === null ? null : { file, document, codeFiles: new Map() }, findings };
}

async function authoredByModule(
  text: string,
  { path, shownAs, root }: Candidate,
  folder: string,
  host: BundleHost,
): Promise<Authored> {
  const refused = (findings: Finding[]): Authored => ({ workflow: null, findings });
  const real = await realpath(path);
  const entry = parseModule(real, shownAs, `./${basename(path)}`, text);
  if (!entry.ok) return refused([{ file: shownAs, pointer: '', ...entry.problem }]);
  const result = await loadModules(entry.module, importReader(dirname(real), root, folder));
  if (!result.ok) {
    return refused(result.problems.map(({ shownAs: file, ...problem }) => ({ file, pointer: '', ...problem })));
  }
  const { evaluator } = host;
  if (evaluator === undefined) {
    const message = 'Workflow modules cannot be evaluated here.';
    return refused([fileFinding(shownAs, { got: 'a module', expected: `a *${jsonSuffix} file`, message })]);
  }
  let packages: ModuleBundle | null = null;
  const imports = packageImportsOf(result.linked);
  if (imports.length > 0) {
    const bundled = await bundleImports(imports, host);
    if (!bundled.ok) return refused(bundled.findings);
    packages = bundled.bundle;
  }
  const evaluated = await evaluateWorkflow(result.linked, evaluator, packages);
  return evaluated.ok ? { workflow: evaluated.workflow, findings: [] } : refused(evaluated.findings);
}

/** What the workflow imports is looked up from its folder; JSON files stay inside of the root like code files. */
async function bundleHost(
  { path, root }: Candidate,
  folder: string,
  bundler: PackageBundler,
  evaluator: Evaluator | undefined,
): Promise<BundleHost> {
  const base = dirname(await realpath(path));
  const refusalOf = async (file: string): Promise<string | null> => {
    const read = await readCodeFile(file, base, root, folder, ['.json']);
    return read.ok ? null : read.message;
  };
  return { bundler, evaluator, known: new Map(), folder: base, refusalOf };
}

/** Reads what modules import, which stays inside of the root like code files. `base` is the folder of the workflow file. */
function importReader(base: string, root: string, folder: string): ReadImport {
  return async (specifier, from: ParsedModule) => {
    const name = relative(base, resolve(dirname(from.path), specifier));
    const file = await readCodeFile(name.startsWith('.') ? name : `./${name}`, base, root, folder);
    if (file.ok) return parseModule(file.path, file.shownAs, asSpecifier(name), file.source);
    const { expected, message } = file;
    return { ok: false, refused: { code: 'code-file', got: JSON.stringify(specifier), expected, message } };
  };
}

function asSpecifier(name: string): string {
  const withSlashes = name.split(sep).join('/');
  return withSlashes.startsWith('.') ? withSlashes : `./${withSlashes}`;
}

/** A code file is given relative to the workflow file, and stays, links resolved, inside of the root. */
async function readCodeFile(
  name: string,
  base: string,
  root: string,
  folder: string,
  extensions: readonly string[] = ['.js', '.ts'],
): Promise<(CodeFile & { ok: false }) | (CodeFile & { ok: true; path: string })> {
  const got = JSON.stringify(name);
  const expected = `the path of a ${extensions.join(' or ')} file, relative to the workflow file and inside of its folder`;
  const refuse = (message: string): CodeFile & { ok: false } => ({ ok: false, got, expected, message });
  if (isAbsolute(name)) return refuse('The path of a code file is relative to the workflow file.');
  if (!extensions.includes(extname(name))) return refuse(`A code file ends with ${extensions.join(' or ')}.`);
  const path = resolve(base, name);
  let real: string;
  try {
    real = await realpath(path);
  } catch {
    return refuse(`There is no file ${got}.`);
  }
  if (!real.startsWith(root.endsWith(sep) ? root : root + sep))
    return refuse('The code file lies outside of the folder of workflows.');
  const read = await readText(real);
  if (!read.ok) return { ok: false, got: read.got, expected: read.expected, message: read.message };
  return { ok: true, path: real, shownAs: showPath(path, folder), source: read.text };
}

type ReadText = { ok: true; text: string } | { ok: false; got: string; expected: string; message: string };

/** Only regular files, as reading a pipe or a device may never end. */
async function readText(path: string): Promise<ReadText> {
  const kind = await kindOf(path);
  if (kind !== 'file')
    return { ok: false, got: kind, expected: 'a file', message: 'It is not a file that can be read.' };
  try {
    const { size } = await stat(path);
    // A character is at most 4 bytes, so a text within its limit is within this one.
    const sizeMax = workflowLimits.textSizeMax * 4;
    if (size > sizeMax) {
      return { ok: false, got: `${size} bytes`, expected: `at most ${sizeMax}`, message: 'The file is too large.' };
    }
    const bytes = await readFile(path);
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) {
      return { ok: false, got: 'bytes that are not UTF-8', expected: 'UTF-8 text', message: 'The file is not text.' };
    }
    const got = error instanceof Error ? error.message : String(error);
    return { ok: false, got, expected: 'a file that can be read', message: 'The file could not be read.' };
  }
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'nothing' | 'something else'> {
  try {
    const found = await stat(path);
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'something else';
  } catch {
    return 'nothing';
  }
}

function showPath(path: string, folder: string): string {
  const shown = relative(folder, path);
  return shown === '' || shown.startsWith('..') || isAbsolute(shown) ? path : shown;
}

function fileFinding(file: string, { got, expected, message }: Pick<Finding, 'got' | 'expected' | 'message'>): Finding {
  return { file, pointer: '', line: 1, column: 1, code: 'unreadable-file', got, expected, message };
}

function withoutDuplicates(loaded: readonly Loaded[], findings: Finding[]): Loaded[] {
  const byName = Map.groupBy(loaded, ({ workflow }) => workflow.name);
  for (const [name, same] of byName) {
    if (same.length === 1) continue;
    for (const { workflow, document } of same) {
      const others = same.filter((other) => other.workflow !== workflow).map((other) => other.workflow.file);
      findings.push({
        file: workflow.file,
        pointer: '/name',
        ...document.placeOfValue('/name'),
        code: 'duplicate-workflow',
        got: JSON.stringify(name),
        expected: 'a name of its own',
        message: `The name is also that of ${others.join(', ')}. None of them is loaded.`,
      });
    }
  }
  return loaded.filter(({ workflow }) => byName.get(workflow.name)?.length === 1);
}

function withoutConflicts(loaded: readonly Loaded[], findings: Finding[]): Loaded[] {
  const entries = loaded.flatMap((target) =>
    target.workflow.triggers
      .filter((trigger): trigger is HttpTrigger => trigger.type === 'http')
      .map((trigger) => ({ workflow: target.workflow.name, trigger, effectFree: target.workflow.effectFree, target })),
  );
  const refused = new Set<string>();
  for (const { method, paths, workflows } of findRouteConflicts(entries)) {
    for (const [index, name] of workflows.entries()) {
      refused.add(name);
      const { workflow, document } = loaded.find((one) => one.workflow.name === name) as Loaded;
      const others = workflows.flatMap((other, at) => (at === index ? [] : [`${other} (${method} ${paths[at]})`]));
      const at = workflow.triggers.findIndex(
        (one) => one.type === 'http' && one.method === method && one.path === paths[index],
      );
      const pointer = `/triggers/${at}/path`;
      findings.push({
        file: workflow.file,
        pointer,
        ...document.placeOfValue(pointer),
        code: 'route-conflict',
        got: `${method} ${paths[index]}`,
        expected: 'a route of its own',
        message: `The route is also that of ${others.join(', ')}. None of them is loaded.`,
      });
    }
  }
  return loaded.filter(({ workflow }) => !refused.has(workflow.name));
}
