import type { ExportAllDeclaration, ImportDeclaration, Literal, Node } from 'acorn';
import { isRelative, moduleKey } from '../imports/module-bundle.ts';
import { didYouMean } from '../names.ts';
import { exportsOf } from './exports.ts';
import type { ModuleProblem, ModuleResult, ParsedModule } from './parsed-module.ts';

/** What a workflow file may import beside files of its own folder: it is provided, not looked up. */
export const authoringPackage = '@nflow-engine/nflow/workflow';
/** What it exports. Both are erased when the file is evaluated. */
export const authoringExports: readonly string[] = ['defineWorkflow'];

/** A workflow file with all that it imports, each module after those that it imports, so that it comes last. */
export interface LinkedModules {
  modules: ParsedModule[];
  /** Of each module, what each specifier means; null for the authoring package. */
  imports: Map<ParsedModule, Map<string, ParsedModule | ImportedPackage | null>>;
}

/** A package, or a JSON file: it is bundled apart from the modules. */
export interface ImportedPackage {
  /** As `moduleKey` makes it. */
  packageKey: string;
}

export function isPackage(target: ParsedModule | ImportedPackage | null | undefined): target is ImportedPackage {
  return target !== null && target !== undefined && 'packageKey' in target;
}

export type LoadResult =
  | { ok: true; linked: LinkedModules }
  | { ok: false; problems: (ModuleProblem & { shownAs: string })[] };

/** Reads the file that `specifier` means in the module at `from`; the problem is told without a place. */
export type ReadImport = (
  specifier: string,
  from: ParsedModule,
) => Promise<ModuleResult | { ok: false; refused: Omit<ModuleProblem, 'line' | 'column'> }>;

const modulesMax = 200;

/** Follows the imports of a workflow file. */
export async function loadModules(entry: ParsedModule, readImport: ReadImport): Promise<LoadResult> {
  const imports: LinkedModules['imports'] = new Map();
  const byPath = new Map([[entry.path, entry]]);
  const problems: (ModuleProblem & { shownAs: string })[] = [];
  const toRead = [entry];
  for (let module = toRead.pop(); module !== undefined; module = toRead.pop()) {
    const targets = new Map<string, ParsedModule | ImportedPackage | null>();
    imports.set(module, targets);
    for (const { specifier, start, node } of specifiersOf(module)) {
      const isPackaged = specifier !== authoringPackage && (!isRelative(specifier) || specifier.endsWith('.json'));
      if (isPackaged && node.type === 'ExportAllDeclaration' && !(node as ExportAllDeclaration).exported) {
        problems.push({ ...module.lines.placeOf(start), shownAs: module.shownAs, ...wholePackage(specifier) });
      }
      if (targets.has(specifier)) continue;
      const place = { ...module.lines.placeOf(start), shownAs: module.shownAs };
      if (specifier === authoringPackage) {
        targets.set(specifier, null);
      } else if (isPackaged) {
        targets.set(specifier, { packageKey: moduleKey(specifier, module.name) });
      } else if (byPath.size >= modulesMax) {
        const message = 'The workflow file imports too many modules.';
        const expected = `at most ${modulesMax}`;
        problems.push({ ...place, code: 'too-many', got: `more than ${modulesMax} modules`, expected, message });
        return { ok: false, problems };
      } else {
        const read = await readImport(specifier, module);
        if (read.ok) {
          const known = byPath.get(read.module.path);
          targets.set(specifier, known ?? read.module);
          if (known === undefined) {
            byPath.set(read.module.path, read.module);
            toRead.push(read.module);
          }
        } else if ('refused' in read) {
          problems.push({ ...place, ...read.refused });
        } else {
          problems.push({ ...read.problem, shownAs: read.shownAs });
        }
      }
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  const modules = inOrder(entry, imports, problems);
  for (const module of modules) problems.push(...missingExports(module, imports));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, linked: { modules, imports } };
}

/** `import … from`, `export … from`. */
export function specifiersOf({ tree }: ParsedModule): { specifier: string; start: number; node: Node }[] {
  return tree.body.flatMap((statement) => {
    const source = (statement as Node & { source?: Literal | null }).source;
    return typeof source?.value === 'string' ? [{ specifier: source.value, start: source.start, node: statement }] : [];
  });
}

function wholePackage(specifier: string): Omit<ModuleProblem, 'line' | 'column'> {
  return {
    code: 'not-available',
    got: `export * from ${JSON.stringify(specifier)}`,
    expected: `export { name } from ${JSON.stringify(specifier)}`,
    message: 'Of a package a module exports names, not all that there are.',
  };
}

/** Each module after those that it imports. A circle is a problem: no order would give every module what it imports. */
function inOrder(
  entry: ParsedModule,
  imports: LinkedModules['imports'],
  problems: (ModuleProblem & { shownAs: string })[],
): ParsedModule[] {
  const ordered = new Set<ParsedModule>();
  const path: ParsedModule[] = [];
  const visit = (module: ParsedModule): void => {
    if (ordered.has(module)) return;
    path.push(module);
    for (const { specifier, start } of specifiersOf(module)) {
      const target = imports.get(module)?.get(specifier) ?? null;
      if (target === null || isPackage(target)) continue;
      const at = path.indexOf(target);
      if (at === -1) visit(target);
      else {
        const circle = [...path.slice(at), target].map(({ shownAs }) => shownAs).join(' → ');
        const message = `The modules import each other in a circle: ${circle}. Move what they share into a module of its own.`;
        const place = { ...module.lines.placeOf(start), shownAs: module.shownAs };
        problems.push({
          ...place,
          code: 'import-circle',
          got: JSON.stringify(specifier),
          expected: 'no circle',
          message,
        });
      }
    }
    path.pop();
    ordered.add(module);
  };
  visit(entry);
  return [...ordered];
}

/** Names that are imported and that the other module does not export. */
function missingExports(
  module: ParsedModule,
  imports: LinkedModules['imports'],
): (ModuleProblem & { shownAs: string })[] {
  const problems: (ModuleProblem & { shownAs: string })[] = [];
  for (const { specifier, node } of specifiersOf(module)) {
    const target = imports.get(module)?.get(specifier) ?? null;
    // The bundler finds those of packages.
    if (isPackage(target)) continue;
    const known = target === null ? new Set(authoringExports) : exportedNames(target, imports);
    for (const { name, start } of importedNames(node)) {
      if (known.has(name)) continue;
      const file = target?.shownAs ?? authoringPackage;
      const hint = module.path.endsWith('.ts') ? ' If it is a type, write "import type".' : '';
      problems.push({
        ...module.lines.placeOf(start),
        shownAs: module.shownAs,
        code: 'unknown-export',
        got: name,
        expected: known.size === 0 ? 'a name that is exported' : `one of ${[...known].join(', ')}`,
        message: `${file} does not export ${JSON.stringify(name)}.${didYouMean(name, known)}${hint}`,
      });
    }
  }
  return problems;
}

export function importedNames(node: Node): { name: string; start: number }[] {
  const isImport = node.type === 'ImportDeclaration';
  return ((node as ImportDeclaration).specifiers ?? []).flatMap((specifier) => {
    if (specifier.type === 'ImportNamespaceSpecifier') return [];
    if (specifier.type === 'ImportDefaultSpecifier') return [{ name: 'default', start: specifier.start }];
    const { imported, local } = specifier as Node & { imported?: Node; local: Node };
    const name = (isImport ? imported : local) as Node & { name?: string; value?: string };
    return [{ name: name.name ?? String(name.value), start: specifier.start }];
  });
}

/** Names that a module exports, those of `export *` included. There are no circles any more. */
export function exportedNames(module: ParsedModule, imports: LinkedModules['imports']): Set<string> {
  const names = new Set<string>();
  for (const found of exportsOf(module)) {
    if (found.kind !== 'all') names.add(found.name);
    else {
      const target = imports.get(module)?.get(found.specifier) ?? null;
      if (isPackage(target)) continue;
      const others = target === null ? authoringExports : exportedNames(target, imports);
      for (const name of others) if (name !== 'default') names.add(name);
    }
  }
  return names;
}
