import type { Program } from '../../protocol/program.ts';

/** What became of a workflow file that ran. */
export type Evaluation =
  /** JSON text of what it returned. Made by the author's code: not to be trusted. */
  { ok: true; json: string } | { ok: false; failure: EvaluationFailure };

export interface EvaluationFailure {
  /** It threw; was stopped at a limit; ended its VM or runner; asked for something outside of the VM; or could not be run now. */
  reason: 'error' | 'timeout' | 'crash' | 'effect' | 'unavailable';
  message: string;
  /** In the text of the program's one node, 1-based; null when not known. */
  place: { line: number; column: number } | null;
}

/** Runs programs of one node in a VM without effects. Never rejects for what the program does. */
export interface Evaluator {
  evaluate(program: Program): Promise<Evaluation>;
}
