/** The files that a runner reads while it starts: its own code, and the packages that it imports. */
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder, and where it must be for the program to find it. The two differ where packages are linked. */
export interface PlacedFolder {
  from: string;
  at: string;
}

export interface RunnerFiles {
  /** The script that Node runs. */
  entry: string;
  folders: PlacedFolder[];
  /** Folder whose package.json says that scripts are modules. */
  packageFolder: string;
}

/** Of the runner itself, from the sources as from the build. */
export function findRunnerFiles(): RunnerFiles {
  const isSource = import.meta.url.endsWith('.ts');
  const codeFolder = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  return filesOf(join(codeFolder, 'runner', isSource ? 'main.ts' : 'main.js'), codeFolder);
}

/** Of a script below `codeFolder`, all of whose imports are below it too, or are packages that a runner may import. */
export function filesOf(entry: string, codeFolder: string): RunnerFiles {
  const folders: PlacedFolder[] = [{ from: codeFolder, at: codeFolder }];
  const vm = findPackage('isolated-vm', codeFolder);
  if (vm !== null) {
    folders.push({ from: realpathSync(vm), at: vm });
    const loader = dirname(
      createRequire(join(realpathSync(vm), 'package.json')).resolve('node-gyp-build/package.json'),
    );
    if (!loader.startsWith(realpathSync(vm) + sep))
      folders.push({ from: loader, at: join(dirname(vm), 'node-gyp-build') });
  }
  return { entry, folders, packageFolder: dirname(codeFolder) };
}

/** As Node finds it, but without following links: they are not there in a file system of one's own. */
function findPackage(name: string, from: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return null;
  }
}
