import type { Code } from '../../protocol/program.ts';
import type { CodeProblem } from '../findings.ts';
import { LineMap } from '../line-map.ts';
import type { FunctionImport } from '../module/function-source.ts';
import { exportOf, type ModuleBundle, moduleKey } from './module-bundle.ts';
import type { ImportedName, ReadImports } from './read-imports.ts';

export type CodeImports = NonNullable<Code['imports']>;

/** Names that mean something else in the code of a node. */
const givenNames: ReadonlySet<string> = new Set(['input', 'ctx', 'nodes', 'prev', 'error', 'arguments', 'eval']);

/**
 * What code imports, as keys of what the program's modules return.
 * @param declared names that the body declares, each with its offset in the source.
 */
export function resolveCodeImports(
  { names, bare }: ReadImports,
  source: string,
  file: string | null,
  bundle: ModuleBundle | null,
  declared: ReadonlyMap<string, number>,
): { imports: CodeImports; problems: CodeProblem[] } {
  const lines = new LineMap(source);
  const imports: CodeImports = [];
  const problems: CodeProblem[] = [];
  const seen = new Set<string>();
  for (const one of names) {
    const key = exportOf(bundle, moduleKey(one.specifier, file), one.name);
    if (key === null) problems.push({ ...lines.placeOf(one.specifierStart), ...notBundled(one.specifier) });
    const clash = clashOf(one, seen, declared);
    if (clash !== null) problems.push({ ...lines.placeOf(declared.get(one.local) ?? one.start), ...clash });
    seen.add(one.local);
    if (key !== null) imports.push({ local: one.local, key });
  }
  for (const { specifier, specifierStart } of bare) {
    const isThere = bundle !== null && Object.hasOwn(bundle.exports, moduleKey(specifier, file));
    if (!isThere) problems.push({ ...lines.placeOf(specifierStart), ...notBundled(specifier) });
  }
  return { imports, problems };
}

/** What is imported must come with the definition. */
export function notBundled(specifier: string): Omit<CodeProblem, 'line' | 'column'> {
  const message =
    'What code imports is bundled by the machine that has it: publish the workflow there, with nflow apply or nflow start.';
  return {
    code: 'not-available',
    got: JSON.stringify(specifier),
    expected: 'an import that the "bundle" of the definition has',
    message,
  };
}

function clashOf(
  { local }: ImportedName,
  seen: ReadonlySet<string>,
  declared: ReadonlyMap<string, number>,
): Omit<CodeProblem, 'line' | 'column'> | null {
  const isGiven = givenNames.has(local);
  if (!isGiven && !seen.has(local) && !declared.has(local)) return null;
  const what = isGiven ? 'means something else in the code of a node' : 'is there already';
  return {
    code: isGiven ? 'reserved-name' : 'syntax-error',
    got: local,
    expected: 'a name of its own, such as by "as"',
    message: `The name ${JSON.stringify(local)} ${what}. Import it under another one.`,
  };
}

/** The same for a function of a workflow module; `missing` is what the bundle lacks. */
export function resolveFunctionImports(
  imports: readonly FunctionImport[],
  file: string,
  bundle: ModuleBundle | null,
): { imports: CodeImports; missing: string | null } {
  const resolved: CodeImports = [];
  for (const { from, name, as } of imports) {
    const key = exportOf(bundle, moduleKey(from, file), name);
    if (key === null) return { imports: [], missing: from };
    resolved.push({ local: as, key });
  }
  return { imports: resolved, missing: null };
}
