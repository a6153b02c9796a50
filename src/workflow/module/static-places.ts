import type { ArrayExpression, CallExpression, Identifier, Node, ObjectExpression, Property } from 'acorn';
import type { Span } from '../parse-file.ts';
import { childPointer } from '../pointer.ts';
import { exportsOf } from './exports.ts';
import type { ParsedModule } from './parsed-module.ts';

/**
 * Where the parts of what a module exports by default stand in its text, by their JSON pointers: those that are written as literals,
 * in place or in a `const` of the module. What is computed stands where its nearest holder does.
 */
export function staticPlaces(module: ParsedModule): Map<string, Span> {
  const spans = new Map<string, Span>();
  const constants = constantsOf(module);
  const exported = exportsOf(module).find((one) => one.kind !== 'all' && one.name === 'default');
  const node =
    exported?.kind === 'value' ? exported.node : exported?.kind === 'local' ? constants.get(exported.local) : undefined;
  if (node === undefined) return spans;
  const place = (value: Node, pointer: string, key: number): void => {
    const literal = resolve(value, constants);
    spans.set(pointer, { key, value: literal.start });
    placeParts(literal, pointer);
  };
  const placeParts = (literal: Node, pointer: string): void => {
    if (literal.type === 'ObjectExpression') {
      for (const property of (literal as ObjectExpression).properties) {
        if (property.type === 'SpreadElement') placeParts(resolve(property.argument, constants), pointer);
        else placeProperty(property, pointer);
      }
    } else if (literal.type === 'ArrayExpression') {
      for (const [index, item] of (literal as ArrayExpression).elements.entries()) {
        if (item?.type === 'SpreadElement') return;
        if (item !== null) place(item, childPointer(pointer, index), item.start);
      }
    }
  };
  const placeProperty = ({ key, computed, value, method, start }: Property, pointer: string): void => {
    if (computed) return;
    const { name, value: literal } = key as Node & { name?: string; value?: unknown };
    const child = childPointer(pointer, name ?? String(literal));
    if (method) spans.set(child, { key: key.start, value: start });
    else place(value, child, key.start);
  };
  place(node, '', node.start);
  return spans;
}

/** `const` of the module's top level with one name. */
function constantsOf({ tree }: ParsedModule): Map<string, Node> {
  const constants = new Map<string, Node>();
  for (const statement of tree.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declaration?.type !== 'VariableDeclaration' || declaration.kind !== 'const') continue;
    for (const { id, init } of declaration.declarations) {
      if (id.type === 'Identifier' && init !== null && init !== undefined) constants.set(id.name, init);
    }
  }
  return constants;
}

const stepsMax = 20;

/** The literal that an expression stands for: through the names of constants and through `defineWorkflow(…)`. */
function resolve(node: Node, constants: ReadonlyMap<string, Node>): Node {
  let at = node;
  for (let step = 0; step < stepsMax; step++) {
    if (at.type === 'Identifier') {
      const init = constants.get((at as Identifier).name);
      if (init === undefined) return at;
      at = init;
    } else if (at.type === 'CallExpression') {
      const { callee, arguments: given } = at as CallExpression;
      const [first] = given;
      if ((callee as Identifier).name !== 'defineWorkflow' || first === undefined) return at;
      at = first;
    } else return at;
  }
  return node;
}
