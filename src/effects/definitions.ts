import { cacheDefinition } from './cache/definition.ts';
import { cryptoDefinition } from './crypto/definition.ts';
import type { EffectDefinition, EffectNode } from './definition.ts';
import { fileDefinition } from './file/definition.ts';
import { httpDefinition } from './http/definition.ts';
import { mailDefinition } from './mail/definition.ts';
import { sleepDefinition } from './sleep/definition.ts';
import { sqlDefinition } from './sql/definition.ts';

/** Every effect that workflows can ask for. */
export const effectDefinitions: readonly EffectDefinition[] = [
  cacheDefinition,
  cryptoDefinition,
  fileDefinition,
  httpDefinition,
  mailDefinition,
  sleepDefinition,
  sqlDefinition,
];

/** Schemas of the nodes of effects, by type. */
export const effectNodeSchemas = {
  http: httpDefinition.node.schema,
  sql: sqlDefinition.node.schema,
  crypto: cryptoDefinition.node.schema,
  file: fileDefinition.node.schema,
  cache: cacheDefinition.node.schema,
  mail: mailDefinition.node.schema,
} as const;

const byNodeType = new Map(
  effectDefinitions.flatMap((definition) => (definition.node === null ? [] : [[definition.node.type, definition]])),
) as ReadonlyMap<string, EffectDefinition<EffectNode>>;

/** Undefined when nodes of that type ask for no effect. */
export function effectOfNodeType(type: string): EffectDefinition<EffectNode> | undefined {
  return byNodeType.get(type);
}

/** Arguments that may hold secrets, by the effect's kind. */
export const secretFields: ReadonlyMap<string, readonly string[]> = new Map(
  effectDefinitions.map(({ traits, node }) => [
    traits.kind,
    Object.entries(node?.fields ?? {}).flatMap(([key, { takesSecrets }]) => (takesSecrets === true ? [key] : [])),
  ]),
);
