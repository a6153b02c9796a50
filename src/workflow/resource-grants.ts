import { isGranted, type ResourceTable } from '../config/grants.ts';
import type { ProgramNode } from '../protocol/program.ts';
import type { ResourceKind } from '../protocol/resources.ts';
import type { CompiledWorkflow } from './compiled.ts';
import type { FindingList } from './findings.ts';
import { listNames } from './names.ts';
import { childPointer } from './pointer.ts';
import { resourceOfTemplate, traitsOfKind } from './resource-argument.ts';

/**
 * Refuses to publish what would be refused when it runs: resources that the server does not have, or does not grant to the workflow.
 * What code hides can only be refused then.
 */
export function checkResources(
  { name, uses, program }: CompiledWorkflow,
  table: ResourceTable,
  findings: FindingList,
): void {
  for (const [kind, names] of Object.entries(uses.resources) as [ResourceKind, string[] | null][]) {
    const known = table[kind] ?? {};
    for (const used of names ?? []) {
      const patterns = Object.hasOwn(known, used) ? known[used] : undefined;
      if (patterns !== undefined && isGranted(patterns, name)) continue;
      const granted = Object.keys(known).filter((one) => isGranted(known[one] ?? [], name));
      findings.add({
        pointer: placeOf(program.nodes, kind, used),
        code: patterns === undefined ? 'unknown-resource' : 'not-granted',
        got: JSON.stringify(used),
        expected: `one of [${kind}] that is granted to ${name}: ${listNames(granted)}`,
        message:
          patterns === undefined
            ? missingText(kind, used)
            : `The workflow may not use [${kind}.${used}]: its "workflows" name others.`,
      });
    }
  }
}

function missingText(kind: ResourceKind, name: string): string {
  if (kind === 'secrets')
    return `The server has no secret ${name}. Set it with \`nflow secret set ${name} …\`, or name another one.`;
  return `The server has no [${kind}.${name}]. Configure it, or name another one.`;
}

/** The node that names it; the whole file where only code does. */
function placeOf(nodes: readonly ProgramNode[], kind: ResourceKind, used: string): string {
  for (const node of nodes) {
    if (node.type !== 'effect') continue;
    const resource = traitsOfKind(node.kind)?.resource ?? null;
    if (resource?.kind !== kind || resourceOfTemplate(resource, node.arguments) !== used) continue;
    return childPointer('/nodes', node.name);
  }
  return '/nodes';
}
