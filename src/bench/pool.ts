import { NflowError } from '../errors.ts';
import { compileWorkflow } from '../workflow/compile.ts';
import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { startChild } from './child.ts';
import { describeMachine } from './machine.ts';
import type { PoolWorkerOptions, PoolWorkerResult } from './pool-worker.ts';
import { benchScript } from './script.ts';

/** The trivial workflow: one node, one constant. */
const trivialDefinition = {
  format: 1,
  name: 'trivial',
  triggers: [{ type: 'manual' }],
  durability: 'ephemeral',
  nodes: { answer: { type: 'code', code: 'return { ok: true };' } },
};
const trivialOutput = '{"ok":true}';

/** `pool.acquireRelease` and `pool.run`: the VM pool of a runner, in a process like a runner's. */
export async function runPoolBench(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const result = compileWorkflow(JSON.stringify(trivialDefinition), {});
  if (!result.ok) {
    throw new NflowError(
      'internal_error',
      `the trivial workflow is refused: ${result.findings.map(({ message }) => message).join('; ')}`,
    );
  }
  options.onProgress('the VM pool, in a process like a runner');
  const child = startChild(benchScript('pool-worker'), ['--no-node-snapshot']);
  const answer = child.message<PoolWorkerResult>();
  const given: PoolWorkerOptions = {
    programText: JSON.stringify(result.compiled.program),
    expectedOutput: trivialOutput,
    durationMs: options.durationMs,
    warmUpMs: options.warmUpMs,
  };
  child.process.send(given);
  const { rows, firstError } = await answer;
  if (firstError !== null) options.onProgress(`first wrong answer: ${firstError}`);
  return { machine, rows: rows.map(judge) };
}
