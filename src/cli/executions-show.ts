import type {
  EffectView,
  ErrorView,
  ExecutionView,
  LogView,
  StepView,
  TimingView,
} from '../server/api/schemas/execution-schemas.ts';
import { formatPlace } from './error-report.ts';
import { paintStatus } from './execution-style.ts';
import type { ServerApi } from './server-api.ts';
import {
  colors,
  formatFields,
  formatMilliseconds,
  formatTable,
  formatTime,
  oneLine,
  withoutControls,
  writeJson,
  writeLine,
} from './terminal.ts';

/** Characters of an output in the table of steps; `--json` has all of it. */
const outputWidth = 60;
/** Characters of the input and the output of the execution. */
const valueLengthMax = 4_000;

export async function showExecution(api: ServerApi, id: string, asJson: boolean): Promise<void> {
  const execution = (await api.get(`/executions/${encodeURIComponent(id)}`)) as ExecutionView;
  if (asJson) writeJson(execution);
  else writeLine(formatExecution(execution));
}

export function formatExecution(execution: ExecutionView): string {
  const { workflow, version, status, timing, error, steps } = execution;
  const took = timing === null ? '' : colors.dim(`  in ${formatMilliseconds(timing.totalMs)}`);
  const sections = [
    `${colors.bold(workflow)} ${colors.dim(`version ${version}`)}  ${paintStatus(status)}${took}`,
    formatFields(fieldsOf(execution)),
  ];
  if (steps.length > 0) sections.push(`${colors.bold('Steps')}\n${formatSteps(steps)}`);
  sections.push(`${colors.bold('Input')}\n${formatValue(execution.input)}`);
  if (error === null) sections.push(`${colors.bold('Output')}\n${formatValue(execution.output)}`);
  else sections.push(`${colors.bold('Error')}\n${formatExecutionError(error)}`);
  if (execution.logs.length > 0) sections.push(`${colors.bold('Logs')}\n${execution.logs.map(formatLog).join('\n')}`);
  return sections.join('\n\n');
}

function formatLog({ step, level, time, text }: LogView): string {
  const paint = level === 'error' ? colors.red : level === 'warn' ? colors.yellow : colors.dim;
  return `  ${colors.dim(time)} ${paint(level.padEnd(5))} ${colors.dim(`${step}:`)} ${withoutControls(text)}`;
}

function fieldsOf(execution: ExecutionView): [string, string][] {
  const { id, trigger, durability, startedAt, endedAt, timing } = execution;
  const fields: [string, string][] = [
    ['id', id],
    ['trigger', trigger],
    ['durability', durability],
    ['started', formatTime(new Date(startedAt))],
  ];
  if (endedAt !== null) fields.push(['ended', formatTime(new Date(endedAt))]);
  if (timing !== null) fields.push(['timing', formatTiming(timing)]);
  return fields;
}

function formatTiming(timing: TimingView): string {
  const parts: [string, number][] = [
    ['queue', timing.queueMs],
    ['VM', timing.acquireMs],
    ['run', timing.runMs],
    ['effects', timing.effectsMs],
    ['batch', timing.batchWaitMs],
  ];
  return parts.map(([name, ms]) => `${colors.dim(name)} ${formatMilliseconds(ms)}`).join(colors.dim(' · '));
}

const stepColumns = [
  { title: 'step', canShrink: true },
  { title: 'type' },
  { title: 'status' },
  { title: 'at', align: 'right' },
  { title: 'took', align: 'right' },
  { title: 'output', canShrink: true },
] as const;

/** A row a step; the effects of a step are rows of their own under it. */
export function formatSteps(steps: StepView[]): string {
  const rows = steps.flatMap((step) => [stepRow(step), ...step.effects.map(effectRow)]);
  return formatTable(stepColumns, rows, '  ');
}

function stepRow(step: StepView): string[] {
  const attempt = step.attempt > 1 ? colors.dim(` attempt ${step.attempt}`) : '';
  const output = step.output === null ? '' : oneLine(JSON.stringify(step.output) ?? '', outputWidth);
  return [
    `${step.path}${attempt}`,
    step.type ?? '',
    paintStatus(step.status),
    formatMilliseconds(step.startMs),
    formatMilliseconds(step.durationMs),
    output,
  ];
}

function effectRow(effect: EffectView): string[] {
  return [
    colors.dim(`└ ${oneLine(effect.description ?? '', outputWidth)}`),
    colors.dim(effect.kind),
    paintStatus(effect.status),
    effect.startMs === null ? '' : formatMilliseconds(effect.startMs),
    effect.durationMs === null ? '' : formatMilliseconds(effect.durationMs),
    '',
  ];
}

function formatValue(value: unknown): string {
  const text = withoutControls(JSON.stringify(value, null, 2) ?? 'nothing');
  const cut = text.length > valueLengthMax ? `${text.slice(0, valueLengthMax)}… (all of it: --json)` : text;
  return cut.replace(/^/gm, '  ');
}

function formatExecutionError(error: ErrorView): string {
  const lines = [`  ${colors.red(error.code)}: ${withoutControls(error.message)}`];
  const details: [string, string][] = (
    [
      [
        'at',
        formatPlace({
          node: error.node ?? undefined,
          line: error.line ?? undefined,
          column: error.column ?? undefined,
        }),
      ],
      ['got', error.got],
      ['expected', error.expected],
      ['to do', error.remedy],
    ] as const
  ).flatMap(([name, text]) => (text ? [[name, withoutControls(text)] as [string, string]] : []));
  if (details.length > 0) lines.push(formatFields(details, '  '));
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  lines.push(...frames.map((line) => colors.dim(withoutControls(line))));
  return lines.join('\n');
}
