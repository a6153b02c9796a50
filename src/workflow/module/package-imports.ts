import type { ExportAllDeclaration, ImportDeclaration } from 'acorn';
import type { PlacedImport } from '../imports/bundled-workflow.ts';
import { importedNames, isPackage, type LinkedModules, specifiersOf } from './load-modules.ts';

/** All that modules import of packages, with where it stands. */
export function packageImportsOf({ modules, imports }: LinkedModules): PlacedImport[] {
  const found: PlacedImport[] = [];
  for (const module of modules) {
    for (const { specifier, start, node } of specifiersOf(module)) {
      if (!isPackage(imports.get(module)?.get(specifier))) continue;
      const place = { file: module.shownAs, pointer: '', ...module.lines.placeOf(start) };
      const names = importedNames(node).map((one) => ({ name: one.name, at: one.start }));
      if (isNamespace(node)) names.push({ name: '*', at: start });
      const add = (name: string | null, at: number): void => {
        found.push({ specifier, name, from: module.name, place, namePlace: module.lines.placeOf(at) });
      };
      if (names.length === 0) add(null, start);
      for (const { name, at } of names) add(name, at);
    }
  }
  return found;
}

/** `import * as x`, `export * as x`. */
function isNamespace(node: { type: string }): boolean {
  if (node.type === 'ExportAllDeclaration') return Boolean((node as ExportAllDeclaration).exported);
  const { specifiers = [] } = node as ImportDeclaration;
  return specifiers.some(({ type }) => type === 'ImportNamespaceSpecifier');
}
