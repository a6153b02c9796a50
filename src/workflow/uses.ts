import type { CallExpression, Literal, MemberExpression, Node } from 'acorn';
import type { EffectDefinition } from '../effects/definition.ts';
import { effectDefinitions } from '../effects/definitions.ts';
import {
  type Code,
  type Expression,
  nodeTypeOf,
  type Program,
  type ProgramNode,
  type Template,
} from '../protocol/program.ts';
import type { ResourceKind } from '../protocol/resources.ts';
import { webGlobals } from '../protocol/web-globals.ts';
import type { Uses } from './compiled.ts';
import { parseFunctionBody } from './javascript.ts';
import { resourceOfTemplate, traitsOfKind } from './resource-argument.ts';
import { type Mentions, mentionsOf, nodesOf } from './syntax-tree.ts';

/** What a version uses while it is being found; null stands for what code hides. */
interface Found {
  nodeTypes: Set<string>;
  effects: Set<string>;
  vars: Set<string> | null;
  resources: Map<ResourceKind, Set<string> | null>;
}

export function usesOf(program: Program): Uses {
  const found: Found = { nodeTypes: new Set(), effects: new Set(), vars: new Set(), resources: new Map() };
  // `fetch` is made of the http effect.
  if (program.webGlobals.some((name) => webGlobals[name] === 'fetch')) found.effects.add('http');
  for (const node of program.nodes) {
    found.nodeTypes.add(nodeTypeOf(node));
    if (node.type === 'effect') noteEffectNode(node, found);
    if (node.type === 'respond' && node.file !== undefined) {
      // It looks for the file before it answers.
      found.effects.add('file');
      noteResource(found, 'files', node.file.area);
    }
    if (node.type === 'code') noteCode(node.code, found);
    for (const expression of expressionsOf(node)) {
      if (expression.uses.includes('secrets')) noteSecrets(expression, found);
      if (!expression.uses.includes('vars')) continue;
      const names = propertiesOf(expression, 'vars');
      if (names === null) found.vars = null;
      else for (const name of names) found.vars?.add(name);
    }
  }
  return {
    nodeTypes: [...found.nodeTypes].sort(),
    effects: [...found.effects].sort(),
    vars: found.vars === null ? null : [...found.vars].sort(),
    resources: Object.fromEntries(
      [...found.resources].sort().map(([kind, names]) => [kind, names === null ? null : [...names].sort()]),
    ),
  };
}

/** Kinds of the effects whose guest part these nodes need, sorted. */
export function effectPartsOf(nodes: readonly ProgramNode[]): string[] {
  const kinds = new Set<string>();
  for (const node of nodes) {
    if (node.type === 'effect' && hasPart(node.kind)) kinds.add(node.kind);
    if (node.type !== 'code') continue;
    for (const { traits, member } of membersOf(node.code)) if (member?.isPart === true) kinds.add(traits.kind);
  }
  return [...kinds].sort();
}

function hasPart(kind: string): boolean {
  return effectDefinitions.some(({ traits, member }) => traits.kind === kind && member?.isPart === true);
}

function noteResource(found: Found, kind: ResourceKind, name: string | null): void {
  const names = found.resources.get(kind);
  if (name === null || names === null) found.resources.set(kind, null);
  else found.resources.set(kind, (names ?? new Set<string>()).add(name));
}

function noteEffectNode(node: Extract<ProgramNode, { type: 'effect' }>, found: Found): void {
  found.effects.add(node.kind);
  const resource = traitsOfKind(node.kind)?.resource ?? null;
  if (resource !== null) noteResource(found, resource.kind, resourceOfTemplate(resource, node.arguments));
}

function noteCode(code: Code, found: Found): void {
  const isHidden = hidesMembers(code);
  if (code.uses.includes('ctx')) {
    if (isHidden) noteResource(found, 'secrets', null);
    else for (const name of namesInCalls(code.source, 'secretRef')) noteResource(found, 'secrets', name);
  }
  for (const { traits, member } of membersOf(code)) {
    found.effects.add(traits.kind);
    const { resource } = traits;
    if (resource === null || member === null) continue;
    if (isHidden || member.namesResourceBy === null) noteResource(found, resource.kind, null);
    else if (member.namesResourceBy === 'default') noteResource(found, resource.kind, resource.nameDefault);
    else for (const name of namesInCalls(code.source, member.name)) noteResource(found, resource.kind, name);
  }
}

/** The effects that code can come to by `ctx`: all of them where it hides which. Code that cannot wait has none. */
function membersOf({ source, async, uses }: Code): EffectDefinition[] {
  if (!async || !uses.includes('ctx')) return [];
  const mentions = mentionsIn(source);
  const isHidden = mentions === null || hides(source, mentions);
  return effectDefinitions.filter(
    ({ member }) =>
      member !== null &&
      (isHidden || mentions.members.some(({ object, property }) => object === 'ctx' && property === member.name)),
  );
}

function hidesMembers({ source }: Code): boolean {
  const mentions = mentionsIn(source);
  return mentions === null || hides(source, mentions);
}

function hides(source: string, mentions: Mentions): boolean {
  return mentions.buildsPropertyNames || isPassedOn(source, mentions, 'ctx');
}

/** Of `ctx.sql('orders')` the name; null for each mention that names none. */
function namesInCalls(source: string, member: string): (string | null)[] {
  const parsed = parseFunctionBody(source);
  if (!parsed.ok) return [null];
  const named = new Map<Node, string>();
  const mentioned: Node[] = [];
  for (const node of nodesOf(parsed.tree)) {
    if (isMemberOfCtx(node, member)) mentioned.push(node);
    if (node.type !== 'CallExpression') continue;
    const { callee, arguments: given } = node as CallExpression;
    const [first] = given;
    if (first?.type === 'Literal' && typeof (first as Literal).value === 'string') {
      named.set(callee, (first as Literal).value as string);
    }
  }
  return mentioned.map((node) => named.get(node) ?? null);
}

function isMemberOfCtx(node: Node, member: string): boolean {
  if (node.type !== 'MemberExpression') return false;
  const { object, property } = node as MemberExpression;
  const isNamed =
    (property.type === 'Identifier' && property.name === member) ||
    (property.type === 'Literal' && property.value === member);
  return object.type === 'Identifier' && object.name === 'ctx' && isNamed;
}

/** Names that are read of one of the scope's objects; null when they are hidden. */
function propertiesOf({ source }: Expression, variable: string): string[] | null {
  const mentions = mentionsIn(`return (${source}\n);`);
  if (mentions === null || isPassedOn(source, mentions, variable)) return null;
  return mentions.members.filter(({ object }) => object === variable).map(({ property }) => property);
}

function noteSecrets(expression: Expression, found: Found): void {
  const names = propertiesOf(expression, 'secrets');
  if (names === null) noteResource(found, 'secrets', null);
  else for (const name of names) noteResource(found, 'secrets', name);
}

function mentionsIn(source: string): Mentions | null {
  const parsed = parseFunctionBody(source);
  return parsed.ok ? mentionsOf(parsed.tree) : null;
}

/** Whether a variable is mentioned otherwise than as the holder of a property with a fixed name: `const { http } = ctx`, `f(ctx)`. */
function isPassedOn(source: string, mentions: Mentions, variable: string): boolean {
  const mentioned = source.match(new RegExp(`(?<![\\w$.])${variable}(?![\\w$])`, 'g'))?.length ?? 0;
  return mentioned > mentions.members.filter(({ object }) => object === variable).length;
}

export function* expressionsOf(node: ProgramNode): Generator<Expression> {
  switch (node.type) {
    case 'code':
      return;
    case 'if':
      yield node.condition;
      return;
    case 'switch':
      if (node.value !== null) yield node.value;
      for (const one of node.cases) {
        if ('when' in one) yield one.when;
        else yield* expressionsIn(one.equals);
      }
      return;
    case 'set':
      yield* expressionsIn(node.values);
      return;
    case 'respond':
      for (const template of [node.status, node.headers, node.body, node.file?.path ?? null])
        yield* expressionsIn(template);
      return;
    case 'fail':
      for (const template of [node.code, node.message, node.status, node.details]) yield* expressionsIn(template);
      return;
    case 'end':
      yield* expressionsIn(node.output);
      return;
    case 'effect':
      yield* expressionsIn(node.arguments);
      if (node.policy.cache?.key != null) yield node.policy.cache.key;
      if (node.policy.idempotencyKey !== null) yield node.policy.idempotencyKey;
      return;
  }
}

function* expressionsIn(template: Template | null): Generator<Expression> {
  switch (template?.kind) {
    case 'expression':
      yield template.expression;
      return;
    case 'text':
      for (const part of template.parts) if (typeof part !== 'string') yield part;
      return;
    case 'object':
      for (const [, value] of template.entries) yield* expressionsIn(value);
      return;
    case 'array':
      for (const item of template.items) yield* expressionsIn(item);
      return;
  }
}
