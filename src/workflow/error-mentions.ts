import type { Code, ProgramNode } from '../protocol/program.ts';
import type { FindingList } from './findings.ts';
import { childPointer } from './pointer.ts';
import { expressionsOf } from './uses.ts';

/** Reports `error` in nodes that no `onError` leads to: it would always be undefined there. */
export function checkErrorMentions(nodes: readonly ProgramNode[], findings: FindingList): void {
  const targets = new Set(nodes.flatMap(({ onError }) => (onError === undefined ? [] : [onError])));
  for (const node of nodes) {
    if (targets.has(node.name)) continue;
    const pointers = [...expressionsOf(node)].filter(({ uses }) => isMention(uses)).map(({ pointer }) => pointer);
    if (node.type === 'code' && isWrittenOut(node.code)) {
      pointers.push(childPointer(childPointer('/nodes', node.name), 'code'));
    }
    for (const pointer of pointers) {
      findings.add({
        pointer,
        code: 'no-error-here',
        got: 'error',
        expected: 'a node that the "onError" of another one names',
        message: `No "onError" leads to the node ${JSON.stringify(node.name)}: it has no "error".`,
      });
    }
  }
}

/** With every name of the scope among them it is `eval` that is mentioned, and perhaps no `error`. */
function isMention(uses: readonly string[]): boolean {
  return uses.includes('error') && !uses.includes('item');
}

/** `arguments` and a rest parameter may hold it, and mostly do not mean it. The call that a function of a module ends with does not count. */
function isWrittenOut({ uses, source }: Code): boolean {
  return uses.includes('error') && /(?<![\w$.])error(?![\w$])/.test(source.replace(/\([^()]*\)$/, ''));
}
