import type { FunctionDeclaration, Identifier, Node, Pattern, VariableDeclaration } from 'acorn';
import { childrenOf, opensScope } from './tree.ts';

/** Names with the offset at which each is declared. */
export type Declared = Map<string, number>;

interface Scope {
  names: Declared;
  parent: Scope | null;
}

/**
 * Variables that a function mentions and does not declare, each with the first place. Its own name counts as declared: a
 * declaration that is taken out of its module is a function with a name.
 */
export function freeNamesOf(root: Node): Declared {
  const free: Declared = new Map();
  const stack: { node: Node; scope: Scope | null }[] = [{ node: root, scope: null }];
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    const { node, scope } = visit;
    if (node.type === 'Identifier') {
      const { name, start } = node as Identifier;
      if (!isDeclared(name, scope)) free.set(name, Math.min(start, free.get(name) ?? start));
      continue;
    }
    const inner = opensScope(node) ? { names: namesDeclaredBy(node), parent: scope } : scope;
    for (const child of childrenOf(node)) {
      if (!isNameOnly(node, child.key)) stack.push({ node: child.node, scope: inner });
    }
  }
  return free;
}

function isDeclared(name: string, scope: Scope | null): boolean {
  for (let at = scope; at !== null; at = at.parent) if (at.names.has(name)) return true;
  return false;
}

/** Fields that hold the name of a property or of a label, not that of a variable. */
function isNameOnly(parent: Node, key: string): boolean {
  switch (parent.type) {
    case 'MemberExpression':
      return key === 'property' && !(parent as Node & { computed: boolean }).computed;
    case 'Property':
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return key === 'key' && !(parent as Node & { computed: boolean }).computed;
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
      return key === 'label';
    case 'MetaProperty':
      return true;
    default:
      return false;
  }
}

/** What a node that opens a scope declares for its inside. */
export function namesDeclaredBy(node: Node): Declared {
  const names: Declared = new Map();
  const { id, params, body, init, left, param, cases } = node as Node & {
    id?: Pattern | null;
    params?: Pattern[];
    body?: Node | Node[];
    init?: Node | null;
    left?: Node;
    param?: Pattern | null;
    cases?: { consequent: Node[] }[];
  };
  switch (node.type) {
    case 'Program':
    case 'StaticBlock':
      addVariables(node, names);
      addLexical(body as Node[], names);
      break;
    case 'BlockStatement':
      addLexical(body as Node[], names);
      break;
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      addPattern(id, names);
      for (const one of params ?? []) addPattern(one, names);
      addVariables(body as Node, names);
      break;
    case 'ClassDeclaration':
    case 'ClassExpression':
      addPattern(id, names);
      break;
    case 'CatchClause':
      addPattern(param, names);
      break;
    case 'SwitchStatement':
      for (const { consequent } of cases ?? []) addLexical(consequent, names);
      break;
    default:
      // The loops.
      addLexical([init ?? left].filter((one) => one !== undefined && one !== null) as Node[], names);
  }
  return names;
}

/** `let`, `const`, classes, functions and imports that stand directly in a list of statements. */
function addLexical(statements: readonly Node[], names: Declared): void {
  for (const statement of statements) {
    const { declaration, specifiers } = statement as Node & { declaration?: Node | null; specifiers?: Node[] };
    switch (statement.type) {
      case 'VariableDeclaration':
        for (const { id } of (statement as VariableDeclaration).declarations) addPattern(id, names);
        break;
      case 'FunctionDeclaration':
      case 'ClassDeclaration':
        addPattern((statement as FunctionDeclaration).id, names);
        break;
      case 'ImportDeclaration':
        for (const specifier of specifiers ?? []) addPattern((specifier as Node & { local: Identifier }).local, names);
        break;
      case 'ExportNamedDeclaration':
      case 'ExportDefaultDeclaration':
        if (declaration !== null && declaration !== undefined) addLexical([declaration], names);
        break;
    }
  }
}

/** `var` of a function or module, wherever inside of it. */
function addVariables(root: Node, names: Declared): void {
  const stack = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.type.includes('Function')) continue;
    if (node.type === 'VariableDeclaration' && (node as VariableDeclaration).kind === 'var') {
      for (const { id } of (node as VariableDeclaration).declarations) addPattern(id, names);
    }
    for (const child of childrenOf(node)) stack.push(child.node);
  }
}

function addPattern(pattern: Pattern | null | undefined, names: Declared): void {
  const patterns: (Node | null | undefined)[] = [pattern];
  for (let one = patterns.pop(); one !== undefined || patterns.length > 0; one = patterns.pop()) {
    if (one === null || one === undefined) continue;
    const part = one as Node & {
      name?: string;
      left?: Node;
      argument?: Node;
      value?: Node;
      elements?: (Node | null)[];
      properties?: Node[];
    };
    if (part.type === 'Identifier') names.set(part.name as string, part.start);
    else if (part.type === 'AssignmentPattern') patterns.push(part.left);
    else if (part.type === 'RestElement') patterns.push(part.argument);
    else if (part.type === 'Property') patterns.push(part.value);
    else patterns.push(...(part.elements ?? []), ...(part.properties ?? []));
  }
}
