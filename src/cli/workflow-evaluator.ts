import { randomBytes, randomUUID } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { createDispatcher } from '../dispatch/dispatcher.ts';
import type { Care, Dispatcher, ProgramRef, RunLoss, RunOutcome } from '../dispatch/port.ts';
import type { Log } from '../observe/log.ts';
import { createGuestLimits } from '../protocol/guest-limits.ts';
import type { Program } from '../protocol/program.ts';
import type { Evaluation, EvaluationFailure, Evaluator } from '../workflow/module/evaluator.ts';

/** Wall time of one workflow file. It only builds an object. */
const defaultTimeoutMs = 5_000;
/** A dispatch that is lost through no fault of the file is repeated so often. */
const attemptsMax = 3;

/** Program ids are the registry's, from 1: ours count the other way. */
let lastProgramId = 0;

/** Evaluates workflow files on runners, as programs whose effects are refused. */
export function createEvaluator(dispatcher: Dispatcher, timeoutMs = defaultTimeoutMs): Evaluator {
  return {
    evaluate: async (program) => {
      const reference = { id: nextProgramId(), workflow: program.workflow, text: JSON.stringify(program) };
      let care: Care = 'careful';
      for (let attempt = 1; ; attempt++) {
        const result = await dispatchOnce(dispatcher, reference, care, timeoutMs);
        if (!('kind' in result)) return result;
        if (attempt === attemptsMax || !isRepeatable(result))
          return { ok: false, failure: failureOfLoss(result, timeoutMs) };
        if (result.kind === 'suspect') care = result.care;
      }
    },
  };
}

function nextProgramId(): number {
  return 0xffff_ffff - ++lastProgramId;
}

function isRepeatable({ kind }: RunLoss): boolean {
  return kind === 'lost' || kind === 'interrupted' || kind === 'suspect';
}

function dispatchOnce(
  dispatcher: Dispatcher,
  program: ProgramRef,
  care: Care,
  timeoutMs: number,
): Promise<Evaluation | RunLoss> {
  return new Promise((resolve) => {
    const fail = (failure: EvaluationFailure): void => resolve({ ok: false, failure });
    const handle = dispatcher.start(
      {
        program,
        executionId: randomUUID(),
        version: 0,
        inputJson: '{}',
        body: null,
        timeMs: Date.now(),
        seed: randomBytes(16).toString('hex'),
        resume: null,
        deadlineMs: performance.now() + timeoutMs,
        care,
      },
      {
        onSegment: ({ effects }) => {
          const [first] = effects;
          if (first === undefined) return;
          handle.drop();
          const message = `an effect of kind ${first.kind} was asked for while the file was evaluated`;
          fail({ reason: 'effect', message, place: null });
        },
        onEnd: (outcome) => resolve(evaluationOf(outcome)),
        onLoss: resolve,
        onBadBody: (message) => fail({ reason: 'unavailable', message, place: null }),
      },
    );
  });
}

function evaluationOf({ status, output, errorJson, effects }: RunOutcome): Evaluation {
  const [effect] = effects;
  if (effect !== undefined) {
    const message = `an effect of kind ${effect.kind} was asked for while the file was evaluated`;
    return { ok: false, failure: { reason: 'effect', message, place: null } };
  }
  if (status === 'succeeded') return { ok: true, json: output.toString('utf8') };
  return { ok: false, failure: failureOfError(errorJson) };
}

/** What the guest said of its error: every field may be anything. */
function failureOfError(errorJson: string): EvaluationFailure {
  let described: Record<string, unknown> = {};
  try {
    described = Object(JSON.parse(errorJson));
  } catch {
    // It failed all the same.
  }
  const { message, name, line, column } = described;
  const text = typeof message === 'string' ? message.slice(0, 500) : 'it threw something that cannot be shown';
  const isPlace = Number.isInteger(line) && Number.isInteger(column);
  return {
    reason: 'error',
    message: typeof name === 'string' && name !== '' ? `${name}: ${text}` : text,
    place: isPlace ? { line: line as number, column: column as number } : null,
  };
}

function failureOfLoss(loss: RunLoss, timeoutMs: number): EvaluationFailure {
  switch (loss.kind) {
    case 'timed_out':
      return {
        reason: 'timeout',
        message: `still running after ${timeoutMs / 1000} s, where it was stopped`,
        place: null,
      };
    case 'crashed':
      return { reason: 'crash', message: `it ended its VM: ${loss.reason}`, place: null };
    case 'suspect':
      return { reason: 'crash', message: 'it ended the process that it ran in', place: null };
    case 'pool_exhausted':
      return { reason: 'unavailable', message: 'every VM is busy', place: null };
    default:
      return { reason: 'unavailable', message: 'the runner ended meanwhile, more than once', place: null };
  }
}

export interface OwnEvaluator extends Evaluator {
  close(): Promise<void>;
}

/** An evaluator with a runner of its own, started for the first workflow file that needs it. */
export function createOwnEvaluator(config: Config, log: Log): OwnEvaluator {
  let dispatcher: Promise<Dispatcher> | null = null;
  const start = (): Promise<Dispatcher> =>
    createDispatcher({
      vmPool: { ...config.vmPool, maxSize: 1, preloadSize: 1 },
      fastRunners: 1,
      limits: createGuestLimits(config.server.jsonDepthMax),
      log,
    });
  return {
    evaluate: async (program: Program) => {
      dispatcher ??= start();
      return createEvaluator(await dispatcher).evaluate(program);
    },
    close: async () => (await dispatcher)?.close(),
  };
}
