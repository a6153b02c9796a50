/** Runs programs on a dispatcher, without an engine: what the dispatcher tells is what the test sees. */
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import type { ProgramRef, RunHandle, RunLoss, RunOutcome, RunStart, Segment } from '../../src/dispatch/port.ts';
import type { Program } from '../../src/protocol/program.ts';
import { activate } from '../support/execution-harness.ts';

export interface Dispatched {
  handle: RunHandle;
  /** How it ended, and how long that took from its dispatch. */
  ended: Promise<{ outcome: RunOutcome | null; loss: RunLoss | null; tookMs: number }>;
  /** Its next segment that did not end it. */
  waits: Promise<Segment>;
}

let lastExecution = 0;

/** A workflow of one code node. Programs of one name are versions of the same one. */
export function codeProgram(workflow: string, source: string): Program {
  const code = { source, file: null, async: true, uses: ['input' as const, 'ctx' as const] };
  return {
    workflow,
    start: 'only',
    nodes: [{ name: 'only', type: 'code', next: null, code }],
    varsJson: '{}',
    webGlobals: [],
    effectParts: [],
    isolation: 'shared',
  };
}

export function programOf(workflow: string, source: string, trustGroup: string | null = null): ProgramRef {
  return { ...activate(codeProgram(workflow, source)).program, trustGroup };
}

export function dispatch(
  dispatcher: RunnerDispatcher,
  program: ProgramRef,
  changes: Partial<Pick<RunStart, 'inputJson' | 'isReturning'>> = {},
): Dispatched {
  const beganMs = performance.now();
  let onWait: (segment: Segment) => void = () => {};
  let onEnd: (end: Awaited<Dispatched['ended']>) => void = () => {};
  const waits = new Promise<Segment>((resolve) => {
    onWait = resolve;
  });
  const ended = new Promise<Awaited<Dispatched['ended']>>((resolve) => {
    onEnd = resolve;
  });
  const tookMs = (): number => performance.now() - beganMs;
  const handle = dispatcher.start(
    {
      program,
      executionId: `execution-${++lastExecution}`,
      version: 1,
      inputJson: '{"body":{}}',
      body: null,
      timeMs: 1_700_000_000_000,
      seed: '00112233445566778899aabbccddeeff',
      resume: null,
      deadlineMs: beganMs + 60_000,
      care: 'none',
      ...changes,
    },
    {
      onSegment: (segment) => onWait(segment),
      onEnd: (outcome) => onEnd({ outcome, loss: null, tookMs: tookMs() }),
      onLoss: (loss) => onEnd({ outcome: null, loss, tookMs: tookMs() }),
      onBadBody: (message) => {
        throw new Error(`the body was refused: ${message}`);
      },
    },
  );
  return { handle, ended, waits };
}

/** A loop that takes about so much CPU on any machine that the tests run on, at least the first figure. */
export function burn(leastMs: number): string {
  return `let n = 0; for (let i = 0; i < ${leastMs * 250_000}; i++) n += i % 7;`;
}
