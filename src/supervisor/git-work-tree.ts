import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * True when the folder lies in a git work tree that does not ignore it: the next `git add .` would commit a database.
 * False when git is not installed or refuses to say.
 */
export function isUnignoredInGit(folder: string): boolean {
  if (!isBelowWorkTree(folder)) return false;
  // A trailing slash: patterns such as `.nflow/` match folders only.
  const result = spawnSync('git', ['check-ignore', '--quiet', `${folder}/`], { cwd: dirname(folder), stdio: 'ignore' });
  return result.status === 1;
}

function isBelowWorkTree(folder: string): boolean {
  for (let at = dirname(folder); ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return true;
    if (at === dirname(at)) return false;
  }
}
