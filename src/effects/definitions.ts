import { cryptoDefinition } from './crypto/definition.ts';
import type { EffectDefinition, EffectNode } from './definition.ts';
import { httpDefinition } from './http/definition.ts';
import { sleepDefinition } from './sleep/definition.ts';

/** Every effect that workflows can ask for. */
export const effectDefinitions: readonly EffectDefinition[] = [cryptoDefinition, httpDefinition, sleepDefinition];

/** Schemas of the nodes of effects, by type. */
export const effectNodeSchemas = {
  http: httpDefinition.node.schema,
  crypto: cryptoDefinition.node.schema,
} as const;

const byNodeType = new Map(
  effectDefinitions.flatMap((definition) => (definition.node === null ? [] : [[definition.node.type, definition]])),
) as ReadonlyMap<string, EffectDefinition<EffectNode>>;

/** Undefined when nodes of that type ask for no effect. */
export function effectOfNodeType(type: string): EffectDefinition<EffectNode> | undefined {
  return byNodeType.get(type);
}
