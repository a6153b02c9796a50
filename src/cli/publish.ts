import type { WorkflowRegistry } from '../registry/workflow-registry.ts';
import type { WorkflowReport } from '../supervisor/messages.ts';
import type { Vars } from '../workflow/compile.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import { loadWorkflowFiles } from '../workflow/folder.ts';
import type { RouteConflict } from '../workflow/routes.ts';
import { paintFindings } from './findings.ts';
import { colors } from './terminal.ts';

/** Of the addresses that answer, only some are needed: for commands to try. */
const reportedRoutesMax = 100;

/** Publishes the workflows of files and folders; those with mistakes are told and the others go on. */
export async function publishWorkflowFiles(
  registry: WorkflowRegistry,
  paths: readonly string[],
  vars: Vars,
): Promise<WorkflowReport> {
  const { workflows, findings } = await loadWorkflowFiles(paths, { vars });
  const { published, unchanged, conflicts } = await registry.publish(workflows);
  const mistakes = [findings.length === 0 ? '' : paintFindings(findings, colors), ...conflicts.map(formatConflict)];
  return {
    published: published.length,
    unchanged: unchanged.length,
    mistakeCount: findings.length + conflicts.length,
    routes: plainRoutes(registry),
    mistakes: mistakes.filter((text) => text !== '').join('\n'),
  };
}

/** Of a workflow from a file with one that was published under another name before. */
function formatConflict({ method, paths, workflows }: RouteConflict): string {
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
