/**
 * Resources: what the configuration names and grants to workflows. A version's resources are found when it is published; the gateway
 * performs no effect on another one, nor on one that its workflow is not granted.
 */
export const resourceKinds = ['datasources', 'redis', 'files', 'secrets'] as const;
export type ResourceKind = (typeof resourceKinds)[number];

/** Which of an effect's canonical arguments names the resource that the call uses. */
export interface ResourceArgument {
  kind: ResourceKind;
  argument: string;
  /** What is meant when the argument is left out; null when it cannot be. */
  nameDefault: string | null;
}

/** Sorted names, by kind. Null: code hides which; only what is granted counts then. A kind without names is not used. */
export type ResourceUses = Partial<Record<ResourceKind, string[] | null>>;

/** The resource that a call names; null when its arguments name none. They come out of a VM, so nothing of them is believed. */
export function resourceOfCall({ argument, nameDefault }: ResourceArgument, argumentsJson: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(argumentsJson);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, argument)) return nameDefault;
  const name = (value as Record<string, unknown>)[argument];
  if (name === null) return nameDefault;
  return typeof name === 'string' ? name : null;
}
