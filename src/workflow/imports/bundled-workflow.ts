import { extname } from 'node:path';
import type { Finding } from '../compiled.ts';
import { workflowLimits } from '../limits.ts';
import type { Evaluator } from '../module/evaluator.ts';
import type { JsonDocument, JsonObject, JsonValue } from '../parse-file.ts';
import type { PackageBundler } from './bundle-packages.ts';
import { evaluateBundle } from './evaluated-bundle.ts';
import type { ModuleBundle } from './module-bundle.ts';
import { isRelative, moduleKey } from './module-bundle.ts';

/** An import of an author, with where it stands. */
export interface PlacedImport {
  specifier: string;
  /** Null for one that is imported for what it does. */
  name: string | null;
  /** The file that it is in, relative to the workflow file; null for code inside the workflow file. */
  from: string | null;
  /** Of the specifier. */
  place: Pick<Finding, 'file' | 'pointer' | 'line' | 'column' | 'inlineAt'>;
  /** Of the name. */
  namePlace: { line: number; column: number };
}

export interface BundleHost {
  bundler: PackageBundler;
  /** Evaluates the bundle once, so that what it does not do in a VM is found when it is made. */
  evaluator: Evaluator | undefined;
  /** What was bundled before: a workflow file is evaluated with its packages, and published with those that its nodes use. */
  known: Map<string, ModuleBundle>;
  /** Folder of the workflow file. */
  folder: string;
  /** Whether the file that a key names may be read; else why not. */
  refusalOf(file: string): Promise<string | null>;
}

export type WorkflowBundle = { ok: true; bundle: ModuleBundle } | { ok: false; findings: Finding[] };

/** Bundles all that a workflow imports. */
export async function bundleImports(imports: readonly PlacedImport[], host: BundleHost): Promise<WorkflowBundle> {
  const findings: Finding[] = [];
  const wanted = new Map<string, Set<string>>();
  for (const one of imports) {
    const key = moduleKey(one.specifier, one.from);
    const refusal = await refusalOf(one, key, host);
    if (refusal !== null) {
      findings.push({ ...one.place, code: 'not-available', got: JSON.stringify(one.specifier), ...refusal });
      continue;
    }
    const names = wanted.get(key) ?? new Set();
    if (one.name !== null) names.add(one.name);
    wanted.set(key, names);
  }
  if (findings.length > 0) return { ok: false, findings };
  const knownAs = JSON.stringify([...wanted].map(([key, names]) => [key, ...[...names].sort()]).sort());
  const known = host.known.get(knownAs);
  if (known !== undefined) return { ok: true, bundle: known };
  const result = await host.bundler.bundle(wanted, host.folder);
  if (!result.ok) {
    for (const { key, name, message, expected } of result.problems) {
      const same = imports.filter((one) => moduleKey(one.specifier, one.from) === key);
      const found = same.find((one) => name !== null && one.name === name) ?? (same[0] as PlacedImport);
      const place = name === null ? found.place : { ...found.place, ...found.namePlace };
      const code = name === null ? 'bad-import' : 'unknown-export';
      findings.push({ ...place, code, got: name ?? JSON.stringify(found.specifier), expected, message });
    }
    return { ok: false, findings };
  }
  const { bundle } = result;
  const { place, specifier } = imports[0] as PlacedImport;
  const at = { ...place, got: imports.length === 1 ? JSON.stringify(specifier) : [...wanted.keys()].sort().join(', ') };
  const { bundleSizeMax } = workflowLimits;
  if (bundle.source.length > bundleSizeMax) {
    const message = 'The imported packages are too large: every VM of the workflow compiles them. Import less of them.';
    const got = `${bundle.source.length} characters of ${at.got}`;
    return { ok: false, findings: [{ ...at, got, code: 'too-large', expected: `at most ${bundleSizeMax}`, message }] };
  }
  const failure = host.evaluator === undefined ? null : await evaluateBundle(bundle, host.evaluator);
  if (failure === null) {
    host.known.set(knownAs, bundle);
    return { ok: true, bundle };
  }
  const message = `What is imported does not run in a VM: ${failure}`;
  return {
    ok: false,
    findings: [{ ...at, code: 'bad-import', expected: 'packages that need nothing but the language', message }],
  };
}

async function refusalOf(
  { specifier }: PlacedImport,
  key: string,
  host: BundleHost,
): Promise<Pick<Finding, 'expected' | 'message'> | null> {
  if (!isRelative(specifier)) {
    if (/^[\w@]/.test(specifier)) return null;
    return {
      expected: 'a package such as "zod", or "./data.json"',
      message: 'It is neither a package nor a file below.',
    };
  }
  if (extname(key) !== '.json') {
    const message =
      'Code imports packages and .json files. Make a node of other code, or keep the workflow in a *.workflow.ts file, whose own modules it may import.';
    return { expected: 'a package such as "zod", or "./data.json"', message };
  }
  const refused = await host.refusalOf(key);
  return refused === null ? null : { expected: 'a .json file inside of the folder of workflows', message: refused };
}

/** The definition with its bundle. */
export function withBundle(document: JsonDocument, bundle: ModuleBundle): JsonDocument {
  const value: JsonObject = { ...(document.value as JsonObject), bundle: bundle as unknown as JsonValue };
  return document.withValue(value);
}
