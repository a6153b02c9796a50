import type { EffectKind, EffectResult, Effects } from '../effects/port.ts';
import { resourceOfCall } from '../protocol/resources.ts';
import type { CompiledWorkflow } from '../workflow/compiled.ts';

/**
 * Whether a workflow may have an effect performed: what its version uses was found when it was published, and what the configuration
 * grants it may have changed since. This also bounds what a runner could ask for that was taken over. Null when it may.
 */
export function refusalOf(
  kind: EffectKind,
  argumentsJson: string,
  { name: workflow, uses }: CompiledWorkflow,
  effects: Effects,
): EffectResult | null {
  if (kind.isConfined !== true && !uses.effects.includes(kind.kind)) {
    return refused(`the published version of ${workflow} does not use the effect '${kind.kind}'. Publish it again`);
  }
  const { resource } = kind;
  if (resource === undefined || resource === null) return null;
  const name = resourceOfCall(resource, argumentsJson);
  if (name === null) return refused(`${kind.kind}: "${resource.argument}" names none of [${resource.kind}]`);
  const known = uses.resources[resource.kind];
  if (known === undefined || (known !== null && !known.includes(name))) {
    return refused(`the published version of ${workflow} does not use [${resource.kind}.${name}]. Publish it again`);
  }
  if (effects.isGranted?.(resource.kind, name, workflow) === true) return null;
  return refused(
    `${workflow} is not granted [${resource.kind}.${name}], or it is not configured. Name the workflow in its "workflows"`,
  );
}

function refused(message: string): EffectResult {
  const described = { code: 'not_granted', message, reason: 'not_granted', retryable: false };
  return { ok: false, json: JSON.stringify(described) };
}
