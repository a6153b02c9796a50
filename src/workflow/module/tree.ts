import type { Node } from 'acorn';

/** A node's child with the name of the field that holds it. */
export interface Child {
  node: Node;
  key: string;
}

export function childrenOf(node: Node): Child[] {
  const children: Child[] = [];
  for (const [key, value] of Object.entries(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) children.push({ node: item, key });
    } else if (isNode(value)) {
      children.push({ node: value, key });
    }
  }
  return children;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** Every node of the tree, with the scopes that hold it, the outermost first. What the parser could parse does not overflow here. */
export function* nodesOf(root: Node): Generator<{ node: Node; scopes: readonly Node[] }> {
  const stack: { node: Node; scopes: readonly Node[] }[] = [{ node: root, scopes: [] }];
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    yield visit;
    const { node, scopes } = visit;
    const inside = opensScope(node) ? [...scopes, node] : scopes;
    for (const child of childrenOf(node)) stack.push({ node: child.node, scopes: inside });
  }
}

const scopeTypes: ReadonlySet<string> = new Set([
  ...[
    'Program',
    'FunctionDeclaration',
    'FunctionExpression',
    'ArrowFunctionExpression',
    'BlockStatement',
    'CatchClause',
  ],
  ...['ForStatement', 'ForInStatement', 'ForOfStatement', 'SwitchStatement', 'ClassDeclaration', 'ClassExpression'],
  'StaticBlock',
]);

/** Whether names can be declared for what is inside of the node alone. */
export function opensScope(node: Node): boolean {
  return scopeTypes.has(node.type);
}
