import type { Node } from 'acorn';
import type { ProgramNode } from '../protocol/program.ts';
import { type WebGlobal, webGlobals } from '../protocol/web-globals.ts';
import { parseExpression, parseFunctionBody } from './javascript.ts';
import { mentionsOf } from './syntax-tree.ts';

const names = Object.keys(webGlobals) as WebGlobal[];
const anyName = new RegExp(`\\b(?:${names.join('|')})\\b`, 'g');
/** By these, code comes to a global that it does not name as a variable: then every word of its text may be one. */
const waysToAnyGlobal = ['globalThis', 'eval', 'Function', 'constructor'];

/**
 * The global names of the web platform that these nodes may use, sorted: what their VMs have to bring.
 * @param imported those of the packages that they import.
 */
export function webGlobalsOf(nodes: readonly ProgramNode[], imported: readonly WebGlobal[] = []): WebGlobal[] {
  const used = new Set<WebGlobal>(imported);
  for (const node of nodes) {
    if (node.type === 'code') addUsed(node.code.source, parseFunctionBody, used);
    else addFromExpressions(node, used);
  }
  return [...used].sort();
}

/** Those that a text may use which is the body of a function. */
export function webGlobalsOfText(source: string): WebGlobal[] {
  const used = new Set<WebGlobal>();
  addUsed(source, parseFunctionBody, used);
  return [...used].sort();
}

function addFromExpressions(value: unknown, used: Set<WebGlobal>): void {
  if (typeof value !== 'object' || value === null) return;
  if ('source' in value && 'pointer' in value && typeof value.source === 'string') {
    addUsed(value.source, parseExpression, used);
    return;
  }
  for (const part of Object.values(value)) addFromExpressions(part, used);
}

function addUsed(
  source: string,
  parse: (source: string) => { ok: true; tree: Node } | { ok: false },
  used: Set<WebGlobal>,
): void {
  const words = new Set(source.match(anyName) as WebGlobal[] | null);
  // Nearly all code mentions none: it is not parsed a second time.
  if (words.size === 0) return;
  const parsed = parse(source);
  if (!parsed.ok) return;
  const { variables, properties, thisOutsideClass } = mentionsOf(parsed.tree);
  const isOpen = thisOutsideClass || waysToAnyGlobal.some((name) => variables.has(name) || properties.has(name));
  for (const word of words) if (isOpen || variables.has(word)) used.add(word);
}
