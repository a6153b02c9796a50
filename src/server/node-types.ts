/** Types of nodes by name, from the definition of a version: what the history does not repeat in every execution. */

/** Definitions are parsed once; old versions are rarely looked at. */
const rememberedVersionsMax = 500;

export class NodeTypes {
  readonly #definitionOf: (versionId: number) => Promise<string | null>;
  readonly #remembered = new Map<number, ReadonlyMap<string, string>>();

  constructor(definitionOf: (versionId: number) => Promise<string | null>) {
    this.#definitionOf = definitionOf;
  }

  /** Empty when the version is not known. */
  async of(versionId: number): Promise<ReadonlyMap<string, string>> {
    const remembered = this.#remembered.get(versionId);
    if (remembered !== undefined) return remembered;
    const definition = await this.#definitionOf(versionId);
    if (definition === null) return new Map();
    const types = typesIn(definition);
    if (this.#remembered.size === rememberedVersionsMax) this.#remembered.clear();
    this.#remembered.set(versionId, types);
    return types;
  }
}

/** Types of the nodes of a definition, by name. */
export function typesIn(definitionText: string): Map<string, string> {
  const { nodes = {} } = JSON.parse(definitionText) as { nodes?: Record<string, { type?: unknown }> };
  const types = new Map<string, string>();
  for (const [name, { type }] of Object.entries(nodes)) {
    if (typeof type === 'string') types.set(name, type);
  }
  return types;
}
