import { parseDuration } from '../config/duration.ts';
import type { EffectField } from '../effects/definition.ts';
import { type effectNodeSchemas, effectOfNodeType } from '../effects/definitions.ts';
import { type RetryOptions, retryDefaults } from '../protocol/effect-options.ts';
import type { EffectPolicy, Expression, ProgramNode, Template } from '../protocol/program.ts';
import type { NodeDefinition } from './definition.ts';
import { showValue } from './findings.ts';
import type { JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';
import { compileExpressionField, compileTemplate, type TemplateContext } from './template.ts';

/** A node of the type of an effect. */
export type EffectNodeDefinition = Extract<NodeDefinition, { type: keyof typeof effectNodeSchemas }>;

/** Its fields become the effect's arguments, in the order of the effect's table; what the author left out is left out. */
export function compileEffectNode(
  name: string,
  node: EffectNodeDefinition,
  pointer: string,
  context: TemplateContext,
): ProgramNode {
  const effect = effectOfNodeType(node.type);
  if (effect === undefined) throw new TypeError(`there is no effect for nodes of type ${node.type}`);
  const { fields, check, timeoutMsDefault } = effect.node;
  const given = node as unknown as Readonly<Record<string, JsonValue>>;
  const templates = new Map<string, Template>();
  const entries: [string, Template][] = [];
  for (const [key, field] of Object.entries(fields)) {
    const value = given[key];
    if (value === undefined) continue;
    const takesSecrets = field.takesSecrets === true;
    const compiled = compileField(field, value, childPointer(pointer, key), { ...context, takesSecrets });
    templates.set(key, compiled);
    entries.push([field.takes === 'duration' ? `${key}Ms` : key, compiled]);
  }
  check?.(given, {
    pointerOf: (key) => childPointer(pointer, key),
    templateOf: (key) => templates.get(key),
    report: context.report,
  });
  return {
    name,
    type: 'effect',
    nodeType: node.type,
    kind: effect.traits.kind,
    arguments: objectOf(entries),
    policy: compilePolicy(node, timeoutMsDefault, effect.traits.isCacheable, pointer, context),
    next: node.next ?? null,
  };
}

function compileField(field: EffectField, value: JsonValue, pointer: string, context: TemplateContext): Template {
  switch (field.takes) {
    case 'template':
      return compileTemplate(value, pointer, context);
    case 'expression': {
      const expression = compileExpressionField(String(value), pointer, context);
      return expression === null ? { kind: 'literal', json: 'null' } : { kind: 'expression', expression };
    }
    case 'fixed':
      refuseTemplates(value, pointer, field.fixedAdvice ?? 'write the value itself', context);
      return { kind: 'literal', json: JSON.stringify(value) };
    case 'duration':
      return { kind: 'literal', json: String(parseDuration(String(value)) ?? 0) };
  }
}

/** What a fixed field says decides what the version uses: it cannot depend on what comes in. */
function refuseTemplates(value: JsonValue, pointer: string, advice: string, { report }: TemplateContext): void {
  if (!JSON.stringify(value).includes('{{')) return;
  report({
    pointer,
    code: 'fixed-value',
    got: showValue(value),
    expected: 'a value without {{ }}',
    message: `This field is fixed when the workflow is published: ${advice}.`,
  });
}

function objectOf(entries: [string, Template][]): Template {
  const literals = entries.flatMap(([key, value]) =>
    value.kind === 'literal' ? [`${JSON.stringify(key)}:${value.json}`] : [],
  );
  return literals.length === entries.length
    ? { kind: 'literal', json: `{${literals.join(',')}}` }
    : { kind: 'object', entries };
}

function compilePolicy(
  node: EffectNodeDefinition,
  timeoutMsDefault: number,
  isCacheable: boolean,
  pointer: string,
  context: TemplateContext,
): EffectPolicy {
  const { timeout, retry, cache, idempotencyKey, atMostOnce = false } = node;
  const expressionOf = (text: string | undefined, at: string): Expression | null =>
    text === undefined ? null : compileExpressionField(text, at, context);
  if (atMostOnce && retry !== undefined) {
    context.report({
      pointer: childPointer(pointer, 'retry'),
      at: 'key',
      code: 'bad-value',
      got: '"retry" beside "atMostOnce"',
      expected: 'one of them',
      message: 'A call that is made at most once is not repeated: leave out one of the two keys.',
    });
  }
  if (cache !== undefined && !isCacheable) {
    context.report({
      pointer: childPointer(pointer, 'cache'),
      at: 'key',
      code: 'bad-value',
      got: `"cache" in a node of type ${node.type}`,
      expected: 'no "cache"',
      message: 'Its result is another one each time, or is kept already: leave the key out.',
    });
  }
  return {
    timeoutMs: timeout === undefined ? timeoutMsDefault : (parseDuration(timeout) ?? timeoutMsDefault),
    retry: retry === undefined ? null : compileRetry(retry),
    cache:
      cache === undefined
        ? null
        : {
            ttlMs: cache.ttl === undefined ? null : parseDuration(cache.ttl),
            key: expressionOf(cache.key, childPointer(childPointer(pointer, 'cache'), 'key')),
          },
    idempotencyKey: expressionOf(idempotencyKey, childPointer(pointer, 'idempotencyKey')),
    atMostOnce,
  };
}

/** `fresh` is not kept: the step has one effect, so that there is nothing that a repeat could keep of it. */
function compileRetry(retry: NonNullable<EffectNodeDefinition['retry']>): RetryOptions {
  const durationOf = (text: string | undefined, byDefaultMs: number): number =>
    text === undefined ? byDefaultMs : (parseDuration(text) ?? byDefaultMs);
  const initialMs = durationOf(retry.initial, retryDefaults.initialMs);
  return {
    attempts: retry.attempts ?? retryDefaults.attempts,
    backoff: retry.backoff ?? retryDefaults.backoff,
    initialMs,
    maxMs: Math.max(initialMs, durationOf(retry.max, retryDefaults.maxMs)),
    jitter: retry.jitter ?? retryDefaults.jitter,
  };
}
