/**
 * The trace of a run: its steps, written by the guest kernel as JSON text, stored as it is and read by the API.
 * An array of steps, each an array, so that a row stays small:
 *
 *   [path, attempt, status, startUs, durationUs, output]
 *    |     |        |       |        |           '-- JSON value; absent when it is the run's output (the last step);
 *    |     |        |       |        |               of a failed step from which the run went on (onError), the error
 *    |     |        |       |        '-- wall time of the step in microseconds
 *    |     |        |       '-- microseconds since the run's first segment began
 *    |     |        '-- 1 succeeded, 0 failed, 2 running
 *    |     '-- 1-based
 *    '-- 'price', later 'each[3]/price'
 *
 * The journal keeps the same entry, with its output, as the record of a finished step.
 */
export type TracedStep = [
  path: string,
  attempt: number,
  status: 0 | 1 | 2,
  startUs: number,
  durationUs: number,
  output?: unknown,
];

/** One effect in the history, written by the gateway. */
export type TracedEffect = [
  stepPath: string,
  attempt: number,
  seq: number,
  kind: string,
  description: string,
  ok: 0 | 1,
  startUs: number,
  durationUs: number,
];
