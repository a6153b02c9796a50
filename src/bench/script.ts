/** The scripts of this folder that run in a process of their own. */
import { fileURLToPath } from 'node:url';

/** Path of a script beside this one: TypeScript in the repository, JavaScript in the package. */
export function benchScript(
  name: 'load-worker' | 'bare-server' | 'bare-proxy' | 'bare-sql' | 'pool-worker' | 'crowd-worker' | 'waiting-target',
): string {
  return fileURLToPath(new URL(`${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
}
