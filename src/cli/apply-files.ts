import { loadConfig } from '../config/load.ts';
import { createLog } from '../observe/log.ts';
import { adminBodySizeMax } from '../server/api/json-body.ts';
import { type BatchView, batchMax } from '../server/api/schemas/workflow-schemas.ts';
import type { Finding } from '../workflow/compiled.ts';
import { type LoadedFiles, type LoadedWorkflow, loadWorkflowFiles } from '../workflow/folder.ts';
import type { Place } from '../workflow/line-map.ts';
import type { ApplyOptions } from './apply.ts';
import { reportWarning } from './error-report.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { paintFindings } from './findings.ts';
import { originOf } from './publish.ts';
import type { ServerApi } from './server-api.ts';
import { serverApiOf } from './server-options.ts';
import { colors, errorColors, formatTable, writeJson, writeLine } from './terminal.ts';
import { createOwnEvaluator } from './workflow-evaluator.ts';

type Outcome = 'created' | 'updated' | 'unchanged' | 'removed' | 'failed';

interface Applied {
  name: string | null;
  file: string | null;
  /** That answers now; null when none does. */
  version: number | null;
  result: Outcome;
}

/** Publishes the files that are right in one request, prints what became of each, and sets the exit code. */
export async function applyFiles(paths: string[], options: ApplyOptions): Promise<void> {
  const loaded = await load(paths);
  const { applied, findings } = await send(serverApiOf(options), paths, loaded, options);
  if (options.json) writeJson({ dryRun: options.dryRun === true, workflows: applied, findings: findings.map(shown) });
  else {
    if (findings.length > 0) process.stderr.write(`${paintFindings(findings, errorColors)}\n`);
    writeLine(
      applied.length === 0 ? 'There are no workflow files here.' : formatApplied(applied, options.dryRun === true),
    );
  }
  if (findings.length > 0 || applied.some(({ result }) => result === 'failed')) process.exitCode = exitCode.failed;
}

async function load(paths: string[]): Promise<LoadedFiles> {
  const evaluator = createOwnEvaluator(loadConfig({ env: {} }).config, createLog({ level: 'warn' }));
  try {
    return await loadWorkflowFiles(paths, { evaluator });
  } finally {
    await evaluator.close();
  }
}

async function send(
  api: ServerApi,
  paths: string[],
  loaded: LoadedFiles,
  options: ApplyOptions,
): Promise<{ applied: Applied[]; findings: Finding[] }> {
  const { workflows, refused, isComplete } = loaded;
  const isWhole = isComplete && refused.length === 0;
  if (options.prune && !isWhole) {
    reportWarning('Nothing is taken back while there are mistakes: a file with one could be that of any workflow.');
  }
  const batch = {
    workflows: workflows.map(({ definitionText, file }) => ({ definition: definitionText, file })),
    origin: options.origin ?? originOf(paths),
    prune: options.prune === true && isWhole,
    dryRun: options.dryRun === true,
  };
  assertFitsRequest(batch);
  const report = (await api.post('/workflows', batch)) as BatchView;
  const byName = new Map(workflows.map((workflow) => [workflow.name, workflow]));
  const applied = [
    ...report.published.map(({ name, version }) =>
      appliedOf(byName.get(name), version, isNew(version, options) ? 'created' : 'updated'),
    ),
    ...report.unchanged.map(({ name, version }) => appliedOf(byName.get(name), version, 'unchanged')),
    ...report.removed.map((name): Applied => ({ name, file: null, version: null, result: 'removed' })),
    ...report.refused.map(({ file, name }): Applied => ({ name, file, version: null, result: 'failed' })),
    ...refused.map((file): Applied => ({ name: null, file, version: null, result: 'failed' })),
  ];
  applied.sort((a, b) => ((a.name ?? a.file ?? '') < (b.name ?? b.file ?? '') ? -1 : 1));
  const placeOf = (file: string, pointer: string): Place => loaded.placeOf(file, pointer) ?? { line: 1, column: 1 };
  const findings = report.refused.flatMap((refusal) => serverFindings(refusal, placeOf));
  return { applied, findings: [...loaded.findings, ...findings] };
}

/**
 * Throws CommandFailure for more than one request may hold. Two requests would be two steps: the first could be published and the
 * second be refused, and workflows that trade their routes would be in conflict.
 */
function assertFitsRequest(batch: { workflows: readonly unknown[] }): void {
  const count = batch.workflows.length;
  const bodySize = Buffer.byteLength(JSON.stringify(batch));
  const isTooLarge = bodySize > adminBodySizeMax;
  if (!isTooLarge && count <= batchMax) return;
  throw new CommandFailure(
    'body_too_large',
    'These are more workflows than a server takes in one request, and what is published together goes in one.',
    exitCode.failed,
    {
      got: isTooLarge ? `${count} workflows in ${bodySize} bytes` : `${count} workflows`,
      expected: isTooLarge ? `at most ${adminBodySizeMax} bytes (32 MiB)` : `at most ${batchMax} workflows`,
      remedy:
        'Nothing was sent. Apply folders of it one after the other, each with an --origin of its own where you use --prune, or let `nflow start --workflows` publish them.',
    },
  );
}

/** A dry run tells the version of now. */
function isNew(version: number, { dryRun }: ApplyOptions): boolean {
  return dryRun ? version === 0 : version === 1;
}

function appliedOf(workflow: LoadedWorkflow | undefined, version: number, result: Outcome): Applied {
  return {
    name: workflow?.name ?? null,
    file: workflow?.file ?? null,
    version: version === 0 ? null : version,
    result,
  };
}

/**
 * What the server alone knows, such as the routes of its other workflows. Its lines are those of the text that it was sent; the
 * pointer is the same in the author's file.
 */
function serverFindings(
  { file, code, errors }: BatchView['refused'][number],
  placeOf: (file: string, pointer: string) => Place,
): Finding[] {
  return errors.map(
    ({ pointer, got, expected, code: findingCode, message }): Finding => ({
      file,
      pointer,
      ...placeOf(file, pointer),
      code: findingCode ?? code,
      got,
      expected,
      message: message ?? 'The server does not accept it.',
    }),
  );
}

function shown({ file, pointer, line, column, code, got, expected, message }: Finding): Finding {
  return { file, pointer, line, column, code, got, expected, message };
}

const columns = [
  { title: 'workflow', canShrink: true },
  { title: 'version', align: 'right' },
  { title: 'result' },
  { title: 'file', canShrink: true },
] as const;

const painters: Readonly<Record<Outcome, (text: string) => string>> = {
  created: colors.green,
  updated: colors.green,
  unchanged: colors.dim,
  removed: colors.yellow,
  failed: colors.red,
};

function formatApplied(applied: readonly Applied[], isDryRun: boolean): string {
  const rows = applied.map(({ name, version, result, file }) => [
    name ?? '',
    version === null ? '' : String(version),
    painters[result](result),
    file ?? '',
  ]);
  const table = formatTable(columns, rows);
  return isDryRun ? `${table}\n\n${colors.dim('Nothing was changed: this was a dry run.')}` : table;
}
