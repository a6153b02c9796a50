import type { ExportDefaultDeclaration, ImportDeclaration, Node } from 'acorn';
import { moduleKey } from '../imports/module-bundle.ts';
import { workflowLimits } from '../limits.ts';
import type { Place } from '../line-map.ts';
import { type Export, exportsOf, nameOf } from './exports.ts';
import { authoringExports, isPackage, type LinkedModules } from './load-modules.ts';
import { packageImportsOf } from './package-imports.ts';
import type { ParsedModule } from './parsed-module.ts';
import { readDefinition } from './read-definition.ts';

/** All modules of a workflow file as the body of one async function, which returns what `readDefinition` reads of its default export. */
export interface Bundle {
  source: string;
  /** Where a place of the bundle is in the author's file; null for what is not the author's. */
  placeOf(place: Place): { module: ParsedModule; place: Place } | null;
}

/** What our own names begin with, and no author's. With `d=` it is no longer than the `default` that it takes the place of. */
const own = '$nf$';

/**
 * Links modules into one text. Every line of a module stays a line with the same columns, so that places of errors are found again:
 * imports and `export` become blanks, what replaces them stands on lines of its own before and after. Each module is a function of
 * its own, run after those that it imports, whose exports it takes over by name.
 *
 * (V8 could link modules itself. Then only a second kind of program, with its own compilation and its own limits, would do; as a
 * program like any other, a workflow file is bounded and watched by the very means that bound code nodes.)
 */
export function bundleModules(linked: LinkedModules): Bundle {
  const { modules, imports } = linked;
  const packages = packagesOf(linked);
  const numbers = new Map(modules.map((module, index) => [module, index]));
  const variableOf = (from: ParsedModule, specifier: string): string => {
    const target = imports.get(from)?.get(specifier) ?? null;
    if (isPackage(target)) return packages.variables.get(target.packageKey) as string;
    return target === null ? `${own}package` : own + numbers.get(target);
  };
  const namespaceOf: VariableOf = (from, specifier) => {
    const variable = variableOf(from, specifier);
    return isPackage(imports.get(from)?.get(specifier)) ? `${variable}["*"]` : variable;
  };
  const lines = [
    `${packages.source}const ${own}package={${authoringExports.map((name) => `${name}:(given)=>given`)}};`,
  ];
  const starts: { line: number; module: ParsedModule }[] = [];
  for (const module of modules) {
    lines.push(
      `const ${own}${numbers.get(module)}=await(async()=>{${importBindings(module, variableOf, namespaceOf)}let ${own}d;`,
    );
    starts.push({ line: lines.length + 1, module });
    lines.push(...withoutModuleSyntax(module).split(/\r\n|[\n\r]/));
    lines.push(`return{${exportProperties(module, variableOf, namespaceOf)}};})();`);
  }
  lines.push(`return(${readDefinition})(${own}${modules.length - 1}.default,${workflowLimits.depthMax});`);
  return { source: lines.join('\n'), placeOf: (place) => authorPlace(starts, place) };
}

/** What modules import of packages, as imports of the bundle and as an object for each package. */
function packagesOf(linked: LinkedModules): { source: string; variables: Map<string, string> } {
  const byKey = new Map<string, Set<string | null>>();
  for (const { specifier, name, from } of packageImportsOf(linked)) {
    const key = moduleKey(specifier, from);
    byKey.set(key, (byKey.get(key) ?? new Set()).add(name));
  }
  const variables = new Map<string, string>();
  let imports = '';
  let objects = '';
  for (const [key, names] of byKey) {
    const variable = `${own}p${variables.size}`;
    variables.set(key, variable);
    const properties: string[] = [];
    for (const name of names) {
      const local = `${variable}_${properties.length}`;
      const clause =
        name === null ? '' : name === '*' ? `*as ${local} from` : `{${JSON.stringify(name)} as ${local}}from`;
      imports += `import ${clause}${JSON.stringify(key)};`;
      if (name !== null) properties.push(`${JSON.stringify(name)}:${local}`);
    }
    objects += `const ${variable}={${properties.join()}};`;
  }
  return { source: imports + objects, variables };
}

function authorPlace(
  starts: readonly { line: number; module: ParsedModule }[],
  { line, column }: Place,
): { module: ParsedModule; place: Place } | null {
  const found = starts.findLast((start) => start.line <= line);
  if (found === undefined) return null;
  const inModule = line - found.line + 1;
  const count = found.module.lines.placeOf(found.module.source.length).line;
  return inModule > count ? null : { module: found.module, place: { line: inModule, column } };
}

type VariableOf = (from: ParsedModule, specifier: string) => string;

function importBindings(module: ParsedModule, variableOf: VariableOf, namespaceOf: VariableOf): string {
  return module.tree.body
    .filter((statement): statement is ImportDeclaration => statement.type === 'ImportDeclaration')
    .flatMap(({ source, specifiers }) => {
      const from = variableOf(module, String(source.value));
      const namespace = namespaceOf(module, String(source.value));
      return specifiers.map((specifier) => {
        const local = specifier.local.name;
        if (specifier.type === 'ImportNamespaceSpecifier') return `const ${local}=${namespace};`;
        const name = specifier.type === 'ImportDefaultSpecifier' ? 'default' : nameOf(specifier.imported);
        return `const ${local}=${from}[${JSON.stringify(name)}];`;
      });
    })
    .join('');
}

function exportProperties(module: ParsedModule, variableOf: VariableOf, namespaceOf: VariableOf): string {
  return exportsOf(module)
    .map((found) => propertyOf(found, module, variableOf, namespaceOf))
    .join();
}

function propertyOf(found: Export, module: ParsedModule, variableOf: VariableOf, namespaceOf: VariableOf): string {
  if (found.kind === 'all') return `...${variableOf(module, found.specifier)}`;
  const name = JSON.stringify(found.name);
  if (found.kind === 'local') return `${name}:${found.local}`;
  if (found.kind === 'value') return `${name}:${own}d`;
  const from = variableOf(module, found.specifier);
  return `${name}:${found.imported === '*' ? namespaceOf(module, found.specifier) : `${from}[${JSON.stringify(found.imported)}]`}`;
}

function withoutModuleSyntax({ tree, javascript }: ParsedModule): string {
  const text = [...javascript.split('')];
  const blank = (start: number, end: number): void => {
    for (let i = start; i < end; i++) if (!/[\n\r]/.test(text[i] as string)) text[i] = ' ';
  };
  for (const statement of tree.body) {
    switch (statement.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        blank(statement.start, statement.end);
        text[statement.start] = ';';
        break;
      case 'ExportNamedDeclaration':
        if (statement.declaration) blank(statement.start, statement.declaration.start);
        else {
          blank(statement.start, statement.end);
          text[statement.start] = ';';
        }
        break;
      case 'ExportDefaultDeclaration':
        replaceDefault(statement, javascript, text, blank);
    }
  }
  return text.join('');
}

function replaceDefault(
  { start, end, declaration }: ExportDefaultDeclaration,
  javascript: string,
  text: string[],
  blank: (start: number, end: number) => void,
): void {
  blank(start, declaration.start);
  const { id } = declaration as Node & { id?: Node | null };
  const isDeclaration = declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration';
  if (isDeclaration && id) return;
  const at = javascript.lastIndexOf('default', declaration.start);
  for (const [index, character] of [...`${own}d=`].entries()) text[at + index] = character;
  if (isDeclaration) text[end - 1] += ';';
}
