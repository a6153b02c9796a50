import type { CompiledWorkflow, HttpTrigger } from '../workflow/compiled.ts';
import { type RouteConflict, routeKeyOf, serverItself } from '../workflow/routes.ts';

/** What a publication would change, and what of it cannot be. */
export interface PublicationPlan {
  accepted: CompiledWorkflow[];
  conflicts: RouteConflict[];
}

export interface RouteOwners {
  /** The workflow that has the route now, by `routeKeyOf`, and its path. */
  ownerOf(key: string): { workflow: string; path: string } | undefined;
  /** Paths that the server answers itself. */
  reservedPaths: ReadonlySet<string>;
}

interface Claim {
  workflow: string;
  trigger: HttpTrigger;
}

/**
 * Finds the workflows whose routes are free. A route that another workflow has stays with it; of two in one publication that claim the
 * same, neither gets it. What the publication replaces or takes back (`leaving`) claims nothing any more, unless its successor is
 * refused and it stays: so each refusal makes the rest be looked at again.
 */
export function planPublication(
  workflows: readonly CompiledWorkflow[],
  leaving: ReadonlySet<string>,
  owners: RouteOwners,
): PublicationPlan {
  const conflicts: RouteConflict[] = [];
  let accepted = [...workflows];
  for (;;) {
    const found = conflictsAmong(accepted, leaving, owners);
    if (found.length === 0) return { accepted, conflicts };
    conflicts.push(...found);
    const refused = new Set(found.flatMap(({ workflows: names }) => names));
    accepted = accepted.filter(({ name }) => !refused.has(name));
  }
}

/** Routes that these workflows claim and cannot have: another one claims or has them, which is not replaced or leaving. */
export function conflictsAmong(
  workflows: readonly Pick<CompiledWorkflow, 'name' | 'triggers'>[],
  leaving: ReadonlySet<string>,
  owners: RouteOwners,
): RouteConflict[] {
  const replaced = new Set(workflows.map(({ name }) => name));
  const claims = new Map<string, Claim[]>();
  for (const { name, triggers } of workflows) {
    for (const trigger of triggers) {
      if (trigger.type !== 'http') continue;
      const key = routeKeyOf(trigger);
      const same = claims.get(key);
      if (same === undefined) claims.set(key, [{ workflow: name, trigger }]);
      else same.push({ workflow: name, trigger });
    }
  }
  const conflicts: RouteConflict[] = [];
  for (const [key, same] of claims) {
    const { trigger } = same[0] as Claim;
    const holders: { workflow: string; path: string }[] = [];
    if (owners.reservedPaths.has(trigger.path)) holders.push({ workflow: serverItself, path: trigger.path });
    const owner = owners.ownerOf(key);
    if (owner !== undefined && !replaced.has(owner.workflow) && !leaving.has(owner.workflow)) holders.push(owner);
    const all = [...holders, ...same.map((claim) => ({ workflow: claim.workflow, path: claim.trigger.path }))];
    if (all.length < 2) continue;
    conflicts.push({
      method: trigger.method,
      paths: all.map(({ path }) => path),
      workflows: all.map(({ workflow }) => workflow),
    });
  }
  return conflicts;
}
