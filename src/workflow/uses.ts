import type { Code, Expression, Program, ProgramNode, Template } from '../protocol/program.ts';
import { parseFunctionBody } from './javascript.ts';
import { type Mentions, mentionsOf } from './syntax-tree.ts';

/** What a version uses of the world around it. */
export interface Uses {
  /** Types of its nodes, sorted. */
  nodeTypes: string[];
  /** Kinds of effects that it can ask for, sorted. Where code hides which, all that code can ask for. */
  effects: string[];
  /** Names of `vars` that it mentions, sorted. Null when code hides which. */
  vars: string[] | null;
}

/** Members of `ctx` by which code asks for effects, with the kind of each. */
const effectOfMember: Readonly<Record<string, string>> = { http: 'http', sleep: 'sleep' };

export function usesOf(program: Program): Uses {
  const uses = { nodeTypes: new Set<string>(), effects: new Set<string>(), vars: new Set<string>(), hidesVars: false };
  // `fetch` is made of the http effect.
  if (program.webGlobals.includes('fetch')) uses.effects.add('http');
  for (const node of program.nodes) {
    uses.nodeTypes.add(node.type);
    if (node.type === 'http') uses.effects.add('http');
    if (node.type === 'code') noteCode(node.code, uses.effects);
    for (const expression of expressionsOf(node)) {
      if (!expression.uses.includes('vars')) continue;
      const names = varsIn(expression);
      if (names === null) uses.hidesVars = true;
      else for (const name of names) uses.vars.add(name);
    }
  }
  return {
    nodeTypes: [...uses.nodeTypes].sort(),
    effects: [...uses.effects].sort(),
    vars: uses.hidesVars ? null : [...uses.vars].sort(),
  };
}

/** Code that cannot wait has no effects. */
function noteCode({ source, async, uses }: Code, effects: Set<string>): void {
  if (!async || !uses.includes('ctx')) return;
  const mentions = mentionsIn(source);
  const isHidden = mentions === null || mentions.buildsPropertyNames || isPassedOn(source, mentions, 'ctx');
  for (const [member, kind] of Object.entries(effectOfMember)) {
    const isMentioned = mentions?.members.some(({ object, property }) => object === 'ctx' && property === member);
    if (isHidden || isMentioned === true) effects.add(kind);
  }
}

function varsIn({ source }: Expression): string[] | null {
  const mentions = mentionsIn(`return (${source}\n);`);
  if (mentions === null || isPassedOn(source, mentions, 'vars')) return null;
  return mentions.members.filter(({ object }) => object === 'vars').map(({ property }) => property);
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

function* expressionsOf(node: ProgramNode): Generator<Expression> {
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
      for (const template of [node.status, node.headers, node.body]) yield* expressionsIn(template);
      return;
    case 'fail':
      for (const template of [node.code, node.message, node.status, node.details]) yield* expressionsIn(template);
      return;
    case 'end':
      yield* expressionsIn(node.output);
      return;
    case 'http':
      for (const part of [node.method, node.url, node.headers, node.query, node.body]) yield* expressionsIn(part);
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
