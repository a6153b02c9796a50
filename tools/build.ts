/**
 * Builds `dist/`, what the npm package holds: `src/` as JavaScript (Node refuses TypeScript inside node_modules) and the files
 * beside it that are read at run time. With `--check` the result is also started once.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

function run(args: string[]): { exitCode: number; output: string } {
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { exitCode: result.status ?? 1, output: result.stdout };
}

/**
 * The compiler rewrites the paths of imports, not those in `new URL('./child.ts', import.meta.url)`: such a path works from the
 * sources and fails from the package. Sources write them with `import.meta.url`'s own ending instead. Declarations are not compiled:
 * they are in the package as they are.
 */
function pathsToSources(): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const path = join(entry.parentPath, entry.name);
    for (const [index, line] of readFileSync(path, 'utf8').split('\n').entries()) {
      if (
        /new URL\(\s*['"`][^'"`]*(?<!\.d)\.ts['"`]|import\.meta\.(?:resolve|dirname)\b.*['"`][^'"`]*(?<!\.d)\.ts['"`]/.test(
          line,
        )
      ) {
        found.push(`${path.slice(root.length)}:${index + 1}  ${line.trim()}`);
      }
    }
  }
  return found;
}

function build(): number {
  rmSync(dist, { recursive: true, force: true });
  const compiled = run(['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
  process.stdout.write(compiled.output);
  if (compiled.exitCode !== 0) return compiled.exitCode;
  cpSync(join(root, 'src'), dist, { recursive: true, filter: (path) => !path.endsWith('.ts') });
  const paths = pathsToSources();
  if (paths.length > 0) {
    console.error(`dist/ would look for TypeScript files at run time:\n${paths.join('\n')}`);
    return 1;
  }
  return 0;
}

function check(): number {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const started = run(['dist/cli/main.js', '--version']);
  if (started.exitCode !== 0 || started.output.trim() !== version) {
    console.error(
      `dist/cli/main.js --version: exit code ${started.exitCode}, got ${JSON.stringify(started.output)}, expected ${version}`,
    );
    return 1;
  }
  console.log(`dist/ starts: version ${version}`);
  return 0;
}

process.exitCode = build() || (process.argv.includes('--check') ? check() : 0);
