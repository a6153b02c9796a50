/** A TypeScript file as the house rules look at it: its syntax tree, its comments, and what type stripping erased. */
import { type Comment, type Node, parse } from 'acorn';
import { transformSync } from 'amaro';
import { lineAt } from './source-files.ts';

export interface ParsedSource {
  text: string;
  /** The file with every type replaced by blanks: offsets are those of `text`. */
  stripped: string;
  tree: SyntaxNode;
  comments: { start: number; end: number; text: string; line: number }[];
}

/** A node of the ESTree; the fields depend on its type and are read with `childrenOf` and `field`. */
export type SyntaxNode = Node;

export function parseSource(text: string): ParsedSource {
  const stripped = transformSync(text, { mode: 'strip-only' }).code;
  const comments: Comment[] = [];
  const tree = parse(stripped, {
    ecmaVersion: 'latest',
    sourceType: 'module',
    allowHashBang: true,
    onComment: comments,
  });
  return {
    text,
    stripped,
    tree,
    comments: comments.map(({ start, end, value }) => ({ start, end, text: value, line: lineAt(text, start) })),
  };
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (const value of Object.values(node)) {
    if (isNode(value)) children.push(value);
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) children.push(item);
  }
  return children;
}

/** A field of a node that is itself a node, or null. */
export function field(node: SyntaxNode, name: string): SyntaxNode | null {
  const value = (node as unknown as Record<string, unknown>)[name];
  return isNode(value) ? value : null;
}

export function fields(node: SyntaxNode, name: string): SyntaxNode[] {
  const value = (node as unknown as Record<string, unknown>)[name];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** The text of an identifier, or of a literal string; null for anything else. */
export function nameOf(node: SyntaxNode | null): string | null {
  if (node === null) return null;
  const { name, value } = node as unknown as { name?: unknown; value?: unknown };
  if (node.type === 'Identifier' || node.type === 'PrivateIdentifier') return typeof name === 'string' ? name : null;
  return node.type === 'Literal' && typeof value === 'string' ? value : null;
}

/** Calls `visit` for the node and everything below it, parents first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode) => void): void {
  visit(node);
  for (const child of childrenOf(node)) walk(child, visit);
}

/** `['t', 'assert', 'equal']` of `t.assert.equal`; null when a part is computed. */
export function memberPath(node: SyntaxNode | null): string[] | null {
  if (node === null) return null;
  if (node.type === 'Identifier') return [nameOf(node) as string];
  if (node.type !== 'MemberExpression') return null;
  const object = memberPath(field(node, 'object'));
  const property = nameOf(field(node, 'property'));
  return object === null || property === null ? null : [...object, property];
}
