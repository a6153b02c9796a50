/** The workflows of a server, as its API works on them. */
import type { ActiveWorkflow } from '../engine/port.ts';
import type { StoredDraft, StoredWorkflow, VersionSummary, WorkflowFilter } from '../store/port.ts';
import type { CompiledWorkflow, Finding } from '../workflow/compiled.ts';
import type { DefinitionDiff } from '../workflow/definition-diff.ts';
import type { WorkflowSource } from '../workflow/published-source.ts';
import type { RouteConflict } from '../workflow/routes.ts';
import type { WorkflowSummary } from '../workflow/summary.ts';

/** A workflow with what its published version says of itself; null when none is published, or it does not compile any more. */
export interface CatalogWorkflow extends StoredWorkflow {
  summary: WorkflowSummary | null;
}

export interface CatalogVersion extends VersionSummary {
  versionId: number;
  definitionText: string;
  summary: WorkflowSummary | null;
}

/** A version by its number, what is published now, or the draft. */
export type VersionName = number | 'published' | 'draft';

export interface NamedSource extends WorkflowSource {
  /** What it is called where it is refused: the file that it came from. Null: by its name. */
  label: string | null;
}

/** A workflow that was not published, because its source has mistakes. */
export interface RefusedSource {
  label: string;
  /** As far as it can be read. */
  workflow: string | null;
  findings: Finding[];
}

export interface BatchOptions {
  /** Label of where they come from. */
  origin?: string;
  /** Archives what has the label and is not in this batch; what is in it and has mistakes stays as it is. */
  prune?: boolean;
  /** Tells what would happen, and changes nothing. */
  dryRun?: boolean;
}

export interface BatchReport {
  published: { workflow: string; version: number }[];
  unchanged: { workflow: string; version: number }[];
  removed: string[];
  conflicts: RouteConflict[];
  refused: RefusedSource[];
  /** The workflows that have no mistakes, by name. */
  accepted: ReadonlyMap<string, { label: string; triggers: CompiledWorkflow['triggers'] }>;
}

export type Publishing =
  | { ok: true; workflow: string; version: number; isChanged: boolean }
  | { ok: false; findings: Finding[] }
  | { ok: false; conflicts: RouteConflict[]; triggers: CompiledWorkflow['triggers'] };

/**
 * Where a method takes the name of a workflow or a version that does not exist, it throws NflowError `not_found`. What it throws
 * besides is the store's.
 */
export interface WorkflowAdministration {
  list(filter: WorkflowFilter): Promise<{ items: CatalogWorkflow[]; nextCursor: string | null }>;
  get(workflow: string): Promise<CatalogWorkflow>;
  versions(workflow: string, before: number | null, limit: number): Promise<VersionSummary[]>;
  version(workflow: string, name: number | 'published'): Promise<CatalogVersion>;
  draft(workflow: string): Promise<StoredDraft & { findings: Finding[] }>;
  /**
   * Keeps a draft. One with findings is kept only if `incomplete`, and never one that is no JSON object of this name: `isKept` says
   * which it was.
   */
  putDraft(
    workflow: string,
    source: WorkflowSource,
    incomplete: boolean,
  ): Promise<{ isKept: boolean; isCreated: boolean; updatedAt: Date | null; findings: Finding[] }>;
  deleteDraft(workflow: string): Promise<void>;
  /** Null: the draft. */
  publish(workflow: string, source: WorkflowSource | null, origin: string | null): Promise<Publishing>;
  publishBatch(sources: readonly NamedSource[], options: BatchOptions): Promise<BatchReport>;
  /** Publishes the content of an older version, as the newest one. Executions that are running keep theirs. */
  rollBack(workflow: string, version: number): Promise<Publishing>;
  unpublish(workflow: string): Promise<void>;
  archive(workflow: string): Promise<void>;
  diff(workflow: string, from: VersionName, to: VersionName): Promise<DefinitionDiff>;
  /** Ready to be run once, without being published. */
  prepare(
    workflow: string,
    from: VersionName | WorkflowSource,
  ): Promise<{ ok: true; workflow: ActiveWorkflow } | { ok: false; findings: Finding[] }>;
}
