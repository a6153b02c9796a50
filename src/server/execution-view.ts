/** One execution as the API shows it, from what the store keeps. */
import { errorKinds, isErrorCode } from '../errors.ts';
import type { TracedEffect, TracedStep } from '../protocol/trace.ts';
import type { ExecutionSummary, JournalRecord, StoredExecution } from '../store/port.ts';
import type {
  EffectView,
  ErrorView,
  ExecutionSummaryView,
  ExecutionView,
  LogView,
  StepView,
  TimingView,
} from './api/schemas/execution-schemas.ts';
import { exceedsJsonDepth } from './json-depth.ts';

export type {
  EffectView,
  ErrorView,
  ExecutionSummaryView,
  ExecutionView,
  LogView,
  StepView,
  TimingView,
} from './api/schemas/execution-schemas.ts';

/** Deeper texts are shown as text: writing JSON recurses. */
const shownDepthMax = 1000;

/** The value of a stored JSON text. One that is none (it came out of a VM, or was cut) is shown as the text that it is. */
function parseStored(text: string | null): unknown {
  if (text === null) return null;
  try {
    return exceedsJsonDepth(Buffer.from(text), shownDepthMax) ? text : JSON.parse(text);
  } catch {
    return text;
  }
}

const milliseconds = (microseconds: number): number => microseconds / 1000;

function timingView(timing: ExecutionSummary['timing']): TimingView | null {
  if (timing === null) return null;
  return {
    queueMs: milliseconds(timing.queueUs),
    acquireMs: milliseconds(timing.acquireUs),
    runMs: milliseconds(timing.runUs),
    effectsMs: milliseconds(timing.effectsUs),
    batchWaitMs: milliseconds(timing.batchWaitUs),
    totalMs: milliseconds(timing.totalUs),
  };
}

export function executionSummaryView(summary: ExecutionSummary): ExecutionSummaryView {
  const { id, workflow, version, status, durability, trigger, createdAt, startedAt, endedAt, timing } = summary;
  return {
    id,
    workflow,
    version,
    status,
    durability,
    trigger,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    timing: timingView(timing),
  };
}

/** What of an execution is shown. */
export type ShownExecution = Omit<StoredExecution, 'versionId' | 'payloadBytes' | 'storedBytes'>;

/** `nodeTypes`: the type of each node of the execution's version, by name. */
export function executionView(stored: ShownExecution, nodeTypes: ReadonlyMap<string, string>): ExecutionView {
  const { timing, ...summary } = executionSummaryView(stored);
  const output = parseStored(stored.output);
  return {
    ...summary,
    input: parseStored(stored.input),
    output,
    error: errorView(parseStored(stored.error), stored.workflow),
    timing,
    steps: stepViews(stored, output, nodeTypes),
    logs: logViews(parseStored(stored.logs)),
  };
}

function errorView(error: unknown, workflow: string): ErrorView | null {
  if (error === null) return null;
  const fields: Record<string, unknown> = typeof error === 'object' ? { ...error } : { message: error };
  const text = (name: string): string | null => (typeof fields[name] === 'string' ? fields[name] : null);
  const number = (name: string): number | null => (typeof fields[name] === 'number' ? fields[name] : null);
  const code = text('code') ?? 'internal_error';
  return {
    code,
    message: text('message') ?? '',
    workflow: text('workflow') ?? workflow,
    node: text('node'),
    line: number('line'),
    column: number('column'),
    got: text('got'),
    expected: text('expected'),
    remedy: text('remedy'),
    retryable: isErrorCode(code) && errorKinds[code].class === 'retryable',
    stack: text('stack'),
  };
}

/** The kernel writes a line as [step, attempt, index, level, time in ms, text]. */
function logViews(logs: unknown): LogView[] {
  if (!Array.isArray(logs)) return [];
  return logs.flatMap((line: unknown): LogView[] => {
    if (!Array.isArray(line)) return [];
    const [step, attempt, , level, timeMs, text] = line as unknown[];
    if (typeof step !== 'string' || typeof level !== 'string' || typeof text !== 'string') return [];
    if (typeof attempt !== 'number' || typeof timeMs !== 'number' || Number.isNaN(new Date(timeMs).getTime()))
      return [];
    return [{ step, attempt, level, time: new Date(timeMs).toISOString(), text }];
  });
}

function stepViews(stored: ShownExecution, output: unknown, nodeTypes: ReadonlyMap<string, string>): StepView[] {
  const hasEnded = stored.trace !== null;
  const steps = hasEnded ? tracedSteps(parseStored(stored.trace)) : journaledSteps(stored.journal);
  const effects = hasEnded ? tracedEffects(parseStored(stored.effects)) : journaledEffects(stored.journal);
  return steps.map((step): StepView => {
    const [path, attempt, status, startUs, durationUs] = step;
    const node = nodeOf(path);
    return {
      path,
      node,
      type: nodeTypes.get(node) ?? null,
      attempt,
      status: status === 1 ? 'succeeded' : status === 0 ? 'failed' : 'running',
      startMs: milliseconds(startUs),
      durationMs: milliseconds(durationUs),
      // The last step's output is the run's: the trace does not hold it twice.
      output: step.length > 5 ? step[5] : status === 1 ? output : null,
      effects: effects.filter((effect) => effect.path === path && effect.attempt === attempt).map(({ view }) => view),
    };
  });
}

/** `each[3]/price` is a step of the node `price`. */
function nodeOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\[\d+\]$/, '');
}

function isTracedStep(entry: unknown): entry is TracedStep {
  if (!Array.isArray(entry)) return false;
  const [path, attempt, status, startUs, durationUs] = entry as unknown[];
  return (
    typeof path === 'string' &&
    typeof attempt === 'number' &&
    (status === 0 || status === 1 || status === 2) &&
    typeof startUs === 'number' &&
    typeof durationUs === 'number'
  );
}

function tracedSteps(trace: unknown): TracedStep[] {
  return Array.isArray(trace) ? trace.filter(isTracedStep) : [];
}

function journaledSteps(journal: readonly JournalRecord[]): TracedStep[] {
  return [...journal]
    .filter((record) => record.kind === 'step')
    .sort((a, b) => a.order - b.order)
    .map((record) => parseStored(textOf(record)))
    .filter(isTracedStep);
}

function textOf(record: JournalRecord): string {
  return typeof record.json === 'string' ? record.json : Buffer.from(record.json).toString('utf8');
}

interface PlacedEffect {
  path: string;
  attempt: number;
  view: EffectView;
}

function isTracedEffect(entry: unknown): entry is TracedEffect {
  if (!Array.isArray(entry)) return false;
  const [path, attempt, seq, kind, description, ok, startUs, durationUs] = entry as unknown[];
  return (
    [path, kind, description].every((value) => typeof value === 'string') &&
    [attempt, seq, ok, startUs, durationUs].every((value) => typeof value === 'number')
  );
}

function tracedEffects(effects: unknown): PlacedEffect[] {
  if (!Array.isArray(effects)) return [];
  return effects.filter(isTracedEffect).map(([path, attempt, seq, kind, description, ok, startUs, durationUs]) => ({
    path,
    attempt,
    view: {
      seq,
      kind,
      description,
      status: ok === 1 ? 'succeeded' : 'failed',
      startMs: milliseconds(startUs),
      durationMs: milliseconds(durationUs),
    },
  }));
}

function journaledEffects(journal: readonly JournalRecord[]): PlacedEffect[] {
  return [...journal]
    .filter((record) => record.kind !== 'step' && record.kind !== 'timer')
    .sort((a, b) => a.order - b.order)
    .map(({ stepPath, attempt, seq, kind, ok }) => ({
      path: stepPath,
      attempt,
      view: { seq, kind, description: null, status: ok ? 'succeeded' : 'failed', startMs: null, durationMs: null },
    }));
}
