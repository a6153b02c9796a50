import { effectDefinitions } from '../effects/definitions.ts';
import type { EffectTraits } from '../protocol/effect-traits.ts';
import type { Template } from '../protocol/program.ts';
import { type ResourceArgument, resourceOfCall } from '../protocol/resources.ts';

export function traitsOfKind(kind: string): EffectTraits | undefined {
  return effectDefinitions.find(({ traits }) => traits.kind === kind)?.traits;
}

/** The resource that the arguments of a node name; null when it is computed. */
export function resourceOfTemplate(resource: ResourceArgument, template: Template): string | null {
  if (template.kind === 'literal') return resourceOfCall(resource, template.json);
  if (template.kind !== 'object') return null;
  const entry = template.entries.find(([key]) => key === resource.argument);
  if (entry === undefined) return resource.nameDefault;
  const [key, value] = entry;
  return value.kind === 'literal' ? resourceOfCall(resource, `{${JSON.stringify(key)}:${value.json}}`) : null;
}
