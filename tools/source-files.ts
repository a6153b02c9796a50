/** The files of the repository that people write: what the gates of `npm run verify` look at. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Made by tools, or not ours. Git is not asked, so that the gates also work in an unpacked archive. */
const skippedFolders = new Set(['node_modules', 'dist', '.git', '.nflow', 'bench-results', 'coverage']);
const skippedFiles = new Set(['package-lock.json', 'LICENSE']);
const textEndings =
  /(?:\.(?:ts|mts|js|mjs|json|jsonc|toml|sql|md|sh|txt|ya?ml|html|css|snap)|\/run|\.gitignore|\.npmrc)$/;

/** Text by path; paths are relative to the root and use `/`. */
export type SourceFiles = ReadonlyMap<string, string>;

/** Every text file under `root` that belongs to the project, in the order of their paths. */
export function readSourceFiles(root: string): SourceFiles {
  const files = new Map<string, string>();
  const visit = (folder: string): void => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!skippedFolders.has(entry.name)) visit(path);
      } else if (entry.isFile() && !skippedFiles.has(entry.name) && textEndings.test(`/${path}`)) {
        files.set(path, readFileSync(join(root, path), 'utf8'));
      }
    }
  };
  visit('');
  return files;
}

/** 1-based line of an offset in a text. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
