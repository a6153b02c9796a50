import type { Identifier, MemberExpression, Node } from 'acorn';

/** Names and constructs that a piece of the user's JavaScript mentions. Scopes are not followed: what is unclear counts as used. */
export interface Mentions {
  /** Identifiers in the place of a variable, with the first place of each (offset in the parsed text). */
  variables: Map<string, number>;
  /** Names that it declares itself, anywhere. */
  declared: Set<string>;
  /** Names of properties that are read, written, called or defined. */
  properties: Set<string>;
  /** `nodes.price`, `nodes['price']`, `ctx.sql`: a property, by a fixed name, of a variable that is not declared in the text. */
  members: { object: string; property: string; start: number }[];
  /** Properties by a name that is put together when it runs, such as `value['th' + 'en']`. */
  buildsPropertyNames: boolean;
  /** `await`, `for await`, an async function, or `this` outside of a class. */
  asyncSyntax: boolean;
  thisOutsideClass: boolean;
  /** Offset of the first `import(…)`, or -1. */
  dynamicImport: number;
  /** Offset of the first async function or `await`, or -1. */
  asyncAt: number;
}

interface Visit {
  node: Node;
  parent: Node | null;
  key: string;
  inClass: boolean;
}

export function mentionsOf(tree: Node): Mentions {
  const mentions: Mentions = {
    variables: new Map(),
    declared: new Set(),
    properties: new Set(),
    members: [],
    buildsPropertyNames: false,
    asyncSyntax: false,
    thisOutsideClass: false,
    dynamicImport: -1,
    asyncAt: -1,
  };
  // A stack of its own: what the parser could parse must not overflow here.
  const stack: Visit[] = [{ node: tree, parent: null, key: '', inClass: false }];
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    note(visit, mentions);
    pushChildren(visit, stack);
  }
  mentions.members = mentions.members.filter(({ object }) => !mentions.declared.has(object));
  return mentions;
}

/** Every node of a tree. */
export function* nodesOf(tree: Node): Generator<Node> {
  const stack: Visit[] = [{ node: tree, parent: null, key: '', inClass: false }];
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    yield visit.node;
    pushChildren(visit, stack);
  }
}

function pushChildren({ node, inClass }: Visit, stack: Visit[]): void {
  const inside = inClass || node.type === 'ClassBody';
  for (const [key, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) stack.push({ node: child, parent: node, key, inClass: inside });
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

function note({ node, parent, key, inClass }: Visit, mentions: Mentions): void {
  const flags = node as Node & { async?: boolean; await?: boolean; kind?: string };
  switch (node.type) {
    case 'Identifier':
      noteIdentifier(node as Identifier, parent, key, mentions);
      break;
    case 'Literal':
      notePropertyLiteral(node, parent, key, mentions);
      break;
    case 'MemberExpression':
      noteMember(node as MemberExpression, mentions);
      break;
    case 'Property':
    case 'MethodDefinition':
    case 'PropertyDefinition': {
      const property = node as Node & { computed: boolean; key: Node };
      if (property.computed && !isPlainKey(property.key)) mentions.buildsPropertyNames = true;
      break;
    }
    case 'VariableDeclarator':
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
    case 'ClassDeclaration':
    case 'ClassExpression':
    case 'CatchClause':
      noteDeclared(node, mentions);
      break;
    case 'ThisExpression':
      if (!inClass) mentions.thisOutsideClass = true;
      break;
    case 'ImportExpression':
      mentions.dynamicImport = earliest(mentions.dynamicImport, node.start);
      break;
  }
  if (node.type === 'AwaitExpression' || flags.async === true || flags.await === true || flags.kind === 'await using') {
    mentions.asyncSyntax = true;
    mentions.asyncAt = earliest(mentions.asyncAt, node.start);
  }
}

function earliest(known: number, start: number): number {
  return known === -1 ? start : Math.min(known, start);
}

function isPropertyName(parent: Node | null, key: string): boolean {
  if (parent === null) return false;
  if (parent.type === 'MemberExpression') return key === 'property' && !(parent as MemberExpression).computed;
  const isKeyed =
    parent.type === 'Property' || parent.type === 'MethodDefinition' || parent.type === 'PropertyDefinition';
  return isKeyed && key === 'key' && !(parent as Node & { computed: boolean }).computed;
}

function noteIdentifier({ name, start }: Identifier, parent: Node | null, key: string, mentions: Mentions): void {
  const isLabel =
    parent?.type === 'LabeledStatement' || parent?.type === 'BreakStatement' || parent?.type === 'ContinueStatement';
  if ((isLabel && key === 'label') || parent?.type === 'MetaProperty') return;
  if (isPropertyName(parent, key)) {
    mentions.properties.add(name);
    return;
  }
  mentions.variables.set(name, earliest(mentions.variables.get(name) ?? -1, start));
}

/** `value['then']` and `{ 'then': … }` name a property as well as `value.then` does. */
function notePropertyLiteral(node: Node, parent: Node | null, key: string, mentions: Mentions): void {
  const { value } = node as Node & { value?: unknown };
  if (typeof value !== 'string' || parent === null) return;
  if ((parent.type === 'MemberExpression' && key === 'property') || key === 'key') mentions.properties.add(value);
}

function noteMember({ object, property, computed }: MemberExpression, mentions: Mentions): void {
  if (computed && !isPlainKey(property)) mentions.buildsPropertyNames = true;
  if (object.type !== 'Identifier') return;
  if (!computed && property.type === 'Identifier') {
    mentions.members.push({ object: object.name, property: property.name, start: property.start });
  } else if (computed && property.type === 'Literal' && typeof property.value === 'string') {
    mentions.members.push({ object: object.name, property: property.value, start: property.start });
  }
}

/** Keys that are a variable, a constant, a property or arithmetic: the ways in which data is looked up. */
function isPlainKey(node: Node): boolean {
  switch (node.type) {
    case 'Identifier':
    case 'PrivateIdentifier':
    case 'Literal':
    case 'MemberExpression':
    case 'UpdateExpression':
      return true;
    case 'UnaryExpression':
      return isPlainKey((node as Node & { argument: Node }).argument);
    case 'ParenthesizedExpression':
      return isPlainKey((node as Node & { expression: Node }).expression);
    case 'BinaryExpression': {
      const { left, right } = node as Node & { left: Node; right: Node };
      return [left, right].every((side) => isPlainKey(side) && typeof (side as { value?: unknown }).value !== 'string');
    }
    default:
      return false;
  }
}

function noteDeclared(node: Node, mentions: Mentions): void {
  const { id, params, param } = node as Node & { id?: Node | null; params?: Node[]; param?: Node | null };
  const patterns: (Node | null | undefined)[] = [id, param, ...(params ?? [])];
  for (let pattern = patterns.pop(); pattern !== undefined || patterns.length > 0; pattern = patterns.pop()) {
    if (pattern === null || pattern === undefined) continue;
    const part = pattern as Node & {
      name?: string;
      left?: Node;
      argument?: Node;
      value?: Node;
      elements?: (Node | null)[];
      properties?: Node[];
    };
    if (part.type === 'Identifier') mentions.declared.add(part.name as string);
    else if (part.type === 'AssignmentPattern') patterns.push(part.left);
    else if (part.type === 'RestElement') patterns.push(part.argument);
    else if (part.type === 'Property') patterns.push(part.value);
    else patterns.push(...(part.elements ?? []), ...(part.properties ?? []));
  }
}
