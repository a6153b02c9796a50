import { existsSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Route {
  method: string;
  path: string;
}

const defaultAddress = 'http://127.0.0.1:8080';

/** Bodies that the bundled examples understand; other workflows get an empty object. */
const sampleBodies: Readonly<Record<string, string>> = {
  '/api/orders/total': '{"name":"Ada","items":[{"price":2.5,"qty":4}]}',
};
const preferred = ['GET /api/workflow', 'POST /api/orders/total'];

/** Up to three commands that work when they are pasted into another terminal, for the routes that answer now. */
export function commandsToTry(address: string, adminAddress: string, routes: readonly Route[]): string[] {
  const get = choose(routes, 'GET');
  const post = choose(routes, 'POST');
  const commands: string[] = [];
  if (get !== undefined) commands.push(`curl ${address}${get.path}`);
  if (post !== undefined) {
    const body = sampleBodies[post.path] ?? '{}';
    commands.push(`curl ${address}${post.path} -H 'content-type: application/json' -d '${body}'`);
  }
  commands.push(
    `${nflowCommand()} executions list${adminAddress === defaultAddress ? '' : ` --server ${adminAddress}`}`,
  );
  return commands;
}

function choose(routes: readonly Route[], method: string): Route | undefined {
  const candidates = routes.filter((route) => route.method === method);
  return candidates.find((route) => preferred.includes(`${method} ${route.path}`)) ?? candidates[0];
}

/**
 * How this very program is called: in the repository npx finds it by its bare name. Elsewhere that name on the registry is
 * somebody else's, so an installed dependency is called by its full name.
 */
export function nflowCommand(): string {
  const packageRoot = fileURLToPath(new URL('../../', import.meta.url));
  if (existsSync(new URL('../../src', import.meta.url))) return 'npx nflow';
  const isDependencyHere = packageRoot.startsWith(`${realpathSync('.')}${sep}node_modules${sep}`);
  return isDependencyHere ? 'npx @nflow-engine/nflow' : 'nflow';
}
