import { posix } from 'node:path';
import { z } from 'zod';
import { type WebGlobal, webGlobals } from '../../protocol/web-globals.ts';
import type { FindingList } from '../findings.ts';
import { workflowLimits } from '../limits.ts';
import type { JsonValue } from '../parse-file.ts';

/**
 * The npm packages that a workflow's code imports, as one text. It is made on the machine that has them (`bundle-packages.ts`) and
 * kept in the definition, so that a server needs neither npm nor the packages.
 */
export interface ModuleBundle {
  /** By what is imported (`moduleKey`), then by the name that it exports: the key in what `source` returns. */
  exports: Record<string, Record<string, string>>;
  /** The body of a function that returns an object of all that is imported. */
  source: string;
  /**
   * Global names of the web platform that it mentions: its VMs bring these. They are said by who made it, since a server that looked for
   * them itself would parse all packages of all workflows when it starts. Who leaves one out has a VM without it.
   */
  globals: WebGlobal[];
}

const expected = 'what nflow apply makes of imports: { "exports": {}, "source": "", "globals": [] }';
const schema = z.strictObject({
  exports: z.record(z.string(), z.record(z.string(), z.string())),
  source: z.string().max(workflowLimits.bundleSizeMax),
  globals: z.array(z.enum(Object.keys(webGlobals) as [WebGlobal, ...WebGlobal[]])),
});

/** The bundle of a definition; null when it has none or one with a finding. */
export function readBundle(value: JsonValue | undefined, findings: FindingList): ModuleBundle | null {
  if (value === undefined) return null;
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  findings.add({
    pointer: '/bundle',
    code: 'bad-value',
    got: issue === undefined ? 'something else' : `${['bundle', ...issue.path].join('.')}: ${issue.message}`,
    expected,
    message: `The imported packages are no bundle of at most ${workflowLimits.bundleSizeMax} characters.`,
  });
  return null;
}

/** What an import is found by: a package as it is written, a file relative to the workflow file. `file` holds the import. */
export function moduleKey(specifier: string, file: string | null): string {
  if (!isRelative(specifier)) return specifier;
  const path = posix.join(posix.dirname(file ?? './'), specifier);
  return path.startsWith('.') ? path : `./${path}`;
}

export function isRelative(specifier: string): boolean {
  return specifier.startsWith('./') || specifier.startsWith('../');
}

/** The key under which the bundle returns it; null when it is not there. */
export function exportOf(bundle: ModuleBundle | null, key: string, name: string): string | null {
  const names = bundle !== null && Object.hasOwn(bundle.exports, key) ? bundle.exports[key] : undefined;
  return names !== undefined && Object.hasOwn(names, name) ? (names[name] ?? null) : null;
}
