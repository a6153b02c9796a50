/** Workflows and their versions as the API shows them. */
import type { BatchReport, CatalogVersion, CatalogWorkflow, Publishing } from '../../registry/port.ts';
import type { VersionSummary } from '../../store/port.ts';
import type { CompiledWorkflow, Finding } from '../../workflow/compiled.ts';
import { sourceOfPublished } from '../../workflow/published-source.ts';
import type { RouteConflict } from '../../workflow/routes.ts';
import type { WorkflowSummary } from '../../workflow/summary.ts';
import { type Problem, type ProblemItem, refusal } from '../problem.ts';
import type {
  BatchView,
  TriggerView,
  VersionView,
  WorkflowSummaryView,
  WorkflowView,
} from './schemas/workflow-schemas.ts';

export function workflowSummaryView(workflow: CatalogWorkflow): WorkflowSummaryView {
  const { published, summary, draftUpdatedAt } = workflow;
  return {
    name: workflow.workflow,
    version: published?.version ?? null,
    ...factsView(summary),
    state: workflow.state,
    origin: workflow.origin,
    publishedAt: published?.publishedAt.toISOString() ?? null,
    versionCount: workflow.versionCount,
    draftUpdatedAt: draftUpdatedAt?.toISOString() ?? null,
  };
}

/** `definitionText`: of the published version; null where there is none. */
export function workflowView(
  workflow: CatalogWorkflow,
  definitionText: string | null,
  versions: readonly VersionSummary[],
): WorkflowView {
  const { summary } = workflow;
  const source = definitionText === null ? { definition: null, files: {} } : sourceOfPublished(definitionText);
  return {
    ...workflowSummaryView(workflow),
    timeoutMs: summary?.facts.timeoutMs ?? null,
    uses: summary?.facts.uses ?? null,
    ...source,
    versions: versions.map(versionSummaryView),
  };
}

export function versionSummaryView({ version, publishedAt, isPublished }: VersionSummary) {
  return { version, publishedAt: publishedAt.toISOString(), isPublished };
}

export function versionView(name: string, version: CatalogVersion): VersionView {
  const { summary, definitionText } = version;
  return {
    name,
    ...versionSummaryView(version),
    ...factsView(summary),
    timeoutMs: summary?.facts.timeoutMs ?? null,
    uses: summary?.facts.uses ?? null,
    ...sourceOfPublished(definitionText),
  };
}

function factsView(summary: WorkflowSummary | null) {
  if (summary === null) return { description: null, durability: null, triggers: [] };
  const { description, durability, triggers } = summary.facts;
  return {
    description,
    durability,
    triggers: triggers.map(
      (trigger): TriggerView =>
        trigger.type === 'http' ? { type: 'http', method: trigger.method, path: trigger.path } : { type: 'manual' },
    ),
  };
}

export function findingItems(findings: readonly Finding[]): ProblemItem[] {
  return findings.map(({ pointer, got, expected, code, message, file, line, column, inlineAt }) => ({
    pointer,
    got,
    expected,
    code,
    message,
    file,
    line,
    column,
    ...(inlineAt === undefined ? {} : { inlineAt }),
  }));
}

function conflictItems(
  workflow: string,
  triggers: CompiledWorkflow['triggers'],
  conflicts: readonly RouteConflict[],
): ProblemItem[] {
  return conflicts.flatMap(({ method, paths, workflows }): ProblemItem[] => {
    const at = workflows.indexOf(workflow);
    if (at === -1) return [];
    const others = workflows.flatMap((other, index) => (index === at ? [] : [`${other} (${method} ${paths[index]})`]));
    const message = `The route is also that of ${others.join(' and ')}.`;
    const path = paths[at];
    const got = `${method} ${path}`;
    const index = triggers.findIndex((one) => one.type === 'http' && one.method === method && one.path === path);
    const pointer = `/triggers/${index}/path`;
    return [{ pointer, got, expected: 'a route of its own', code: 'route-conflict', message }];
  });
}

export function invalidWorkflow(findings: readonly Finding[]): Problem {
  const count = findings.length === 1 ? 'one mistake' : `${findings.length} mistakes`;
  return refusal('invalid_workflow', `The workflow has ${count}.`, findingItems(findings));
}

/** Why it was not published. */
export function publishingProblem(workflow: string, refused: Exclude<Publishing, { ok: true }>): Problem {
  if ('findings' in refused) return invalidWorkflow(refused.findings);
  const detail = 'Another workflow answers the same requests. It stays; this one was not published.';
  return refusal('conflict', detail, conflictItems(workflow, refused.triggers, refused.conflicts));
}

export function batchView(report: BatchReport): BatchView {
  const { accepted } = report;
  const named = ({ workflow, version }: { workflow: string; version: number }) => ({ name: workflow, version });
  const published = new Set([...report.published, ...report.unchanged].map(({ workflow }) => workflow));
  // The other side of a conflict may be a workflow that was published before and is none of this batch.
  const inConflict = [...accepted].filter(
    ([name]) => !published.has(name) && report.conflicts.some(({ workflows }) => workflows.includes(name)),
  );
  return {
    published: report.published.map(named),
    unchanged: report.unchanged.map(named),
    removed: report.removed,
    refused: [
      ...report.refused.map(({ label, workflow, findings }) => ({
        file: label,
        name: workflow,
        code: 'invalid_workflow' as const,
        errors: findingItems(findings),
      })),
      ...inConflict.map(([name, { label, triggers }]) => ({
        file: label,
        name,
        code: 'conflict' as const,
        errors: conflictItems(name, triggers, report.conflicts),
      })),
    ],
  };
}
