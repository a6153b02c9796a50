/**
 * The script of the gateway's process: loads `gateway.ts` from compiled code. Its only argument is the folder of that. What had to be
 * compiled is kept at once and not at the exit: a gateway may be killed.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';

const [folder] = process.argv.slice(2);
if (folder !== undefined) enableCompileCache(folder);
await import('./gateway.ts');
flushCompileCache();
