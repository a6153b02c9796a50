import type { Identifier, Node } from 'acorn';
import { namesDeclaredBy } from './free-names.ts';
import type { ParsedModule } from './parsed-module.ts';

/** What one module exports. */
export type Export =
  /** A name of this module. */
  | { kind: 'local'; name: string; local: string }
  /** The value of `export default …`, where that is not a declaration with a name. */
  | { kind: 'value'; name: 'default'; node: Node }
  /** A name of another module; `*` for all of them as one object. */
  | { kind: 'from'; name: string; specifier: string; imported: string }
  /** `export * from` */
  | { kind: 'all'; specifier: string };

export function exportsOf({ tree }: ParsedModule): Export[] {
  return tree.body.flatMap((statement): Export[] => {
    switch (statement.type) {
      case 'ExportDefaultDeclaration': {
        const { declaration } = statement;
        const { id } = declaration as Node & { id?: Identifier | null };
        const hasName = declaration.type.endsWith('Declaration') && id !== null && id !== undefined;
        return [
          hasName
            ? { kind: 'local', name: 'default', local: id.name }
            : { kind: 'value', name: 'default', node: declaration },
        ];
      }
      case 'ExportNamedDeclaration': {
        const { declaration, source, specifiers } = statement;
        if (declaration !== null && declaration !== undefined) {
          const names = namesDeclaredBy({ type: 'Program', body: [declaration] } as unknown as Node);
          return [...names.keys()].map((name) => ({ kind: 'local', name, local: name }));
        }
        return specifiers.map((specifier): Export => {
          const name = nameOf(specifier.exported);
          const local = nameOf(specifier.local);
          if (source === null || source === undefined) return { kind: 'local', name, local };
          return { kind: 'from', name, specifier: String(source.value), imported: local };
        });
      }
      case 'ExportAllDeclaration': {
        const specifier = String(statement.source.value);
        const { exported } = statement;
        return exported === null || exported === undefined
          ? [{ kind: 'all', specifier }]
          : [{ kind: 'from', name: nameOf(exported), specifier, imported: '*' }];
      }
      default:
        return [];
    }
  });
}

/** `as "a name"` is a name too. */
export function nameOf(node: Node): string {
  const { name, value } = node as Node & { name?: string; value?: unknown };
  return name ?? String(value);
}
