import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { WorkflowRegistry } from '../registry/workflow-registry.ts';
import type { WorkflowReport } from '../supervisor/messages.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import { type LoadedFiles, loadWorkflowFiles } from '../workflow/folder.ts';
import type { Evaluator } from '../workflow/module/evaluator.ts';
import type { RouteConflict } from '../workflow/routes.ts';
import { paintFindings } from './findings.ts';
import { colors } from './terminal.ts';

/** Of the addresses that answer, only some are needed: for commands to try. */
const reportedRoutesMax = 100;

export interface WorkflowFiles {
  registry: WorkflowRegistry;
  paths: readonly string[];
  evaluator: Evaluator;
}

/** Publishes the workflows of files and folders; those with mistakes are told and the others go on. Nothing is taken back. */
export async function publishWorkflowFiles({ registry, paths, evaluator }: WorkflowFiles): Promise<WorkflowReport> {
  const loaded = await loadWorkflowFiles(paths, {
    vars: registry.vars,
    historyClasses: registry.historyClasses,
    resources: registry.resources,
    evaluator,
  });
  const { published, unchanged, conflicts } = await registry.publish(loaded.workflows);
  return reportOf(registry, loaded, conflicts, published.length, unchanged.length);
}

/** What the banner shows. */
export function reportOf(
  registry: WorkflowRegistry,
  { findings }: LoadedFiles,
  conflicts: readonly RouteConflict[],
  published: number,
  unchanged: number,
): WorkflowReport {
  return {
    published,
    unchanged,
    mistakeCount: findings.length + conflicts.length,
    routes: plainRoutes(registry),
    mistakes: formatMistakes({ findings }, conflicts),
  };
}

export function formatMistakes(
  { findings }: Pick<LoadedFiles, 'findings'>,
  conflicts: readonly RouteConflict[],
): string {
  const mistakes = [findings.length === 0 ? '' : paintFindings(findings, colors), ...conflicts.map(formatConflict)];
  return mistakes.filter((text) => text !== '').join('\n');
}

/**
 * The label of what is published from these paths. With the name of the machine: the same path elsewhere is another folder, and
 * what it does not have must not be taken back.
 */
export function originOf(paths: readonly string[]): string {
  const folders = [...new Set(paths.map((path) => resolve(path)))].sort();
  return `${hostname()}:${folders.join(',')}`;
}

/** Of a workflow from a file with one that was published under another name before. */
export function formatConflict({ method, paths, workflows }: RouteConflict): string {
  const owners = workflows.map((workflow, at) => `${workflow} (${method} ${paths[at]})`).join(' and ');
  return `${colors.red('route-conflict')} ${owners} answer the same requests.\n  The one that was published before stays; the other is not published.`;
}

function plainRoutes(registry: WorkflowRegistry): WorkflowReport['routes'] {
  return registry
    .list()
    .flatMap(({ compiled }) => compiled.triggers.filter((trigger): trigger is HttpTrigger => trigger.type === 'http'))
    .filter(({ path }) => !/[:*]/.test(path))
    .slice(0, reportedRoutesMax)
    .map(({ method, path }) => ({ method, path }));
}
