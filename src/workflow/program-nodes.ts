import type { Code, Expression, ProgramNode, SwitchCase, Template } from '../protocol/program.ts';
import type { NodeDefinition, NodeOf } from './definition.ts';
import { compileEffectNode } from './effect-nodes.ts';
import { checkHeaders, checkStatus } from './http-fields.ts';
import type { JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';
import { compileExpressionField, compileTemplate, type TemplateContext } from './template.ts';

/** What nodes are compiled with. */
export interface NodeContext extends TemplateContext {
  /** The code of a node, or null when there is a finding. */
  compileCode: (code: NodeOf<'code'>['code'], pointer: string) => Code | null;
}

/** They stand for what has a finding: such a program is never run. */
const noCode: Code = { source: '', file: null, async: false, uses: [] };
const noExpression: Expression = { source: 'null', pointer: '', uses: [] };

/** A node whose shape was checked, as the kernel takes it. */
export function compileNode(name: string, node: NodeDefinition, context: NodeContext): ProgramNode {
  const pointer = childPointer('/nodes', name);
  const expressionOf = (key: string, text: string): Expression =>
    compileExpressionField(text, childPointer(pointer, key), context) ?? noExpression;
  const templateOf = (key: string, value: JsonValue): Template =>
    compileTemplate(value, childPointer(pointer, key), context);
  const optional = (key: string, value: JsonValue | undefined): Template | null =>
    value === undefined ? null : templateOf(key, value);

  switch (node.type) {
    case 'code': {
      const code = context.compileCode(node.code, childPointer(pointer, 'code')) ?? noCode;
      return { name, type: 'code', code, next: node.next ?? null };
    }
    case 'if': {
      const condition = expressionOf('condition', node.condition);
      // biome-ignore lint/suspicious/noThenProperty: it is the name of the field.
      return { name, type: 'if', condition, then: node.then ?? null, else: node.else ?? null };
    }
    case 'switch': {
      const value = node.value === undefined ? null : expressionOf('value', node.value);
      const cases = node.cases.map((_, index) => compileCase(node, index, pointer, context));
      return { name, type: 'switch', value, cases, default: node.default ?? null };
    }
    case 'set':
      return { name, type: 'set', values: templateOf('values', node.values), next: node.next ?? null };
    case 'respond': {
      const { status = 200, headers, body, file, area } = node;
      checkStatus(status, childPointer(pointer, 'status'), 200, 599, context.report);
      checkAnsweredFile(node, pointer, context);
      if (headers !== undefined) checkHeaders(headers, childPointer(pointer, 'headers'), 'response', context.report);
      return {
        name,
        type: 'respond',
        status: templateOf('status', status),
        headers: optional('headers', headers),
        body: optional('body', body),
        ...(file === undefined ? {} : { file: { path: templateOf('file', file), area: area ?? 'own' } }),
      };
    }
    case 'fail': {
      const { code = 'workflow_failed', message, status = 422, details } = node;
      checkStatus(status, childPointer(pointer, 'status'), 400, 599, context.report);
      return {
        name,
        type: 'fail',
        code: templateOf('code', code),
        message: templateOf('message', message),
        status: templateOf('status', status),
        details: optional('details', details),
      };
    }
    case 'end':
      return { name, type: 'end', output: optional('output', node.output) };
    default:
      return compileEffectNode(name, node, pointer, context);
  }
}

/** A file is sent instead of a body, and `area` says where the file is. */
function checkAnsweredFile({ file, area, body }: NodeOf<'respond'>, pointer: string, context: NodeContext): void {
  if (file !== undefined && body !== undefined) {
    context.report({
      pointer: childPointer(pointer, 'body'),
      at: 'key',
      code: 'bad-value',
      got: '"body" beside "file"',
      expected: 'one of them',
      message: 'An answer is a body or a file: leave out one of the two keys.',
    });
  }
  if (file === undefined && area !== undefined) {
    context.report({
      pointer: childPointer(pointer, 'area'),
      at: 'key',
      code: 'bad-value',
      got: '"area" without "file"',
      expected: 'no "area"',
      message: 'It says where a file is: name the file, or leave it out.',
    });
  }
}

function compileCase(node: NodeOf<'switch'>, index: number, nodePointer: string, context: NodeContext): SwitchCase {
  const { equals, when, next = null } = node.cases[index] as NodeOf<'switch'>['cases'][number];
  const pointer = childPointer(`${nodePointer}/cases`, index);
  if ((equals === undefined) === (when === undefined)) {
    context.report({
      pointer,
      code: 'bad-case',
      got: equals === undefined ? 'neither "equals" nor "when"' : 'both "equals" and "when"',
      expected: '"equals", compared with the value of the switch, or "when", an expression of its own',
      message: 'A case has one condition.',
    });
  } else if (equals !== undefined && node.value === undefined) {
    const message = 'The case compares with the value of the switch: give the switch a "value", or the case a "when".';
    context.report({
      pointer,
      code: 'bad-case',
      got: 'no "value" in the switch',
      expected: '"value" in the switch',
      message,
    });
  }
  if (when !== undefined) {
    return { when: compileExpressionField(when, childPointer(pointer, 'when'), context) ?? noExpression, next };
  }
  return { equals: compileTemplate(equals ?? null, childPointer(pointer, 'equals'), context), next };
}
