import { isBuiltin } from 'node:module';
import type * as Esbuild from 'esbuild';
import { webGlobalsOfText } from '../web-globals.ts';
import type { ModuleBundle } from './module-bundle.ts';

/** What is wrong with one import. */
export interface ImportProblem {
  key: string;
  /** Of a name that the package does not export; null for the package itself. */
  name: string | null;
  message: string;
  expected: string;
}

export type BundleResult = { ok: true; bundle: ModuleBundle } | { ok: false; problems: ImportProblem[] };

/** What is to be bundled: of each key (`moduleKey`) the names; none for one that is imported for what it does. */
export type WantedImports = ReadonlyMap<string, ReadonlySet<string>>;

/** Bundles npm packages, and JSON files, with esbuild. It is a process of its own, which ends with `close`. */
export interface PackageBundler {
  /** @param folder where packages are looked up from, and what keys of files are relative to. */
  bundle(wanted: WantedImports, folder: string): Promise<BundleResult>;
  close(): Promise<void>;
}

/** The esbuild process belongs to all bundlers of this process. */
let openBundlers = 0;

export function createPackageBundler(): PackageBundler {
  let esbuild: typeof Esbuild | null = null;
  return {
    async bundle(wanted, folder) {
      if (esbuild === null) {
        esbuild = await import('esbuild');
        openBundlers++;
      }
      const result = await bundleOnce(esbuild, wanted, folder);
      if (result.ok || wanted.size === 1) return result;
      // An error deep in a package does not say by which import it came in: each alone does.
      const problems: ImportProblem[] = [];
      for (const [key, names] of [...wanted].sort(byKey)) {
        const alone = await bundleOnce(esbuild, new Map([[key, names]]), folder);
        if (!alone.ok) problems.push(...alone.problems);
      }
      return { ok: false, problems: problems.length > 0 ? problems : result.problems };
    },
    async close() {
      if (esbuild !== null && --openBundlers === 0) await esbuild.stop();
    },
  };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface EntryLine {
  text: string;
  key: string;
  name: string | null;
}

/** The variable that holds what is exported. */
const result = '$modules';

async function bundleOnce(esbuild: typeof Esbuild, wanted: WantedImports, folder: string): Promise<BundleResult> {
  const exports: ModuleBundle['exports'] = {};
  const lines: EntryLine[] = [];
  for (const [key, names] of [...wanted].sort(byKey)) {
    const keys: Record<string, string> = {};
    exports[key] = keys;
    const from = JSON.stringify(key);
    if (names.size === 0) lines.push({ text: `import ${from};`, key, name: null });
    for (const name of [...names].sort()) {
      const exported = `$${lines.length}`;
      keys[name] = exported;
      const text =
        name === '*'
          ? `export * as ${exported} from ${from};`
          : `export { ${quoted(name)} as ${exported} } from ${from};`;
      lines.push({ text, key, name });
    }
  }
  try {
    const built = await esbuild.build({
      stdin: { contents: lines.map(({ text }) => text).join('\n'), resolveDir: folder, sourcefile: entryName },
      absWorkingDir: folder,
      bundle: true,
      write: false,
      format: 'iife',
      globalName: result,
      // A VM is nearer to a browser than to Node: no modules of Node.
      platform: 'browser',
      target: 'esnext',
      // Names of files, which are others on every machine, are in comments and in names that go.
      minify: true,
      legalComments: 'none',
      charset: 'utf8',
      define: { 'process.env.NODE_ENV': '"production"' },
      logLevel: 'silent',
      // Those of its folder are not of its author's program.
      tsconfigRaw: {},
    });
    const text = built.outputFiles[0]?.text ?? '';
    const source = `${text.trimEnd()}return ${result};`;
    return { ok: true, bundle: { exports, source, globals: webGlobalsOfText(source) } };
  } catch (error) {
    const errors = errorsOf(error);
    if (errors === null) throw error;
    return { ok: false, problems: errors.map((one) => problemOf(one, lines)) };
  }
}

const entryName = 'imports.js';

function quoted(name: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : JSON.stringify(name);
}

function errorsOf(error: unknown): Esbuild.Message[] | null {
  if (!(error instanceof Error) || !('errors' in error) || !Array.isArray(error.errors)) return null;
  return error.errors as Esbuild.Message[];
}

/** `location` is in the entry for what the author wrote, and in a package for what that does. */
function problemOf({ text, location }: Esbuild.Message, lines: readonly EntryLine[]): ImportProblem {
  const isEntry = location?.file === entryName;
  const line = isEntry ? lines[(location?.line ?? 1) - 1] : lines[0];
  const { key, name } = line as EntryLine;
  const where =
    isEntry || location === null ? '' : ` in ${location.file.replace(/^.*node_modules\//, '')}:${location.line}`;
  const unresolved = /^Could not resolve "(.+)"/.exec(text)?.[1];
  if (unresolved !== undefined) {
    if (isBuiltin(unresolved)) {
      const what = isEntry
        ? `${JSON.stringify(unresolved)} is a module of Node`
        : `It needs Node's module ${JSON.stringify(unresolved)}${where}`;
      const message = `${what}: code runs in a VM, where there are none. What reaches outside goes through ctx.`;
      return {
        key,
        name: null,
        message,
        expected: 'a package that needs nothing of Node, such as one made for browsers',
      };
    }
    if (!isEntry) {
      const message = `It needs ${JSON.stringify(unresolved)}${where}, which is not installed.`;
      return { key, name: null, message, expected: 'a package whose dependencies are installed: npm install' };
    }
    const message = `The package ${JSON.stringify(unresolved)} is not installed here. Install it beside the workflow: npm install ${packageName(unresolved)}`;
    return {
      key,
      name: null,
      message,
      expected: 'an installed package, looked up from the folder of the workflow file',
    };
  }
  if (/^No loader is configured for "\.node"/.test(text)) {
    const message = `It is a native addon${where}: code runs in a VM, which can load none.`;
    return { key, name: null, message, expected: 'a package of JavaScript' };
  }
  if (isEntry && text.startsWith('No matching export')) {
    const message = `${JSON.stringify(key)} does not export ${JSON.stringify(name)}. If it is a type, write "import type".`;
    return { key, name, message, expected: 'a name that it exports' };
  }
  return {
    key,
    name: null,
    message: `It cannot be bundled: ${text}${where}.`,
    expected: 'a package that can be bundled',
  };
}

function packageName(specifier: string): string {
  const [first = '', second = ''] = specifier.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}
