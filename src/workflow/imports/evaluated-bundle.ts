import type { Program } from '../../protocol/program.ts';
import type { Evaluator } from '../module/evaluator.ts';
import type { ModuleBundle } from './module-bundle.ts';

/** Evaluates imported packages in a VM as a program's own; null when they come to their end, else what happened. */
export async function evaluateBundle({ source, globals }: ModuleBundle, evaluator: Evaluator): Promise<string | null> {
  const name = 'imports';
  const program: Program = {
    workflow: name,
    start: name,
    nodes: [{ type: 'code', name, code: { source: 'return null', file: null, async: false, uses: [] }, next: null }],
    varsJson: '{}',
    webGlobals: globals,
    effectParts: [],
    isolation: 'shared',
    modules: source,
  };
  const evaluation = await evaluator.evaluate(program);
  return evaluation.ok ? null : evaluation.failure.message;
}
