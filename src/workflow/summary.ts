/** What routes and lists need of a version without compiling it: kept with the version, so that a start costs a row a workflow. */
import type { CompiledWorkflow } from './compiled.ts';

/** A compiled workflow without what is large. */
export type WorkflowFacts = Omit<CompiledWorkflow, 'name' | 'program' | 'definitionText'>;

export interface WorkflowSummary {
  /** The release that made it. Another release may see the same definition differently, and makes it anew. */
  release: string;
  facts: WorkflowFacts;
}

export function factsOf(compiled: CompiledWorkflow): WorkflowFacts {
  const { name: _name, program: _program, definitionText: _definitionText, ...facts } = compiled;
  return facts;
}

export function summaryOf(compiled: CompiledWorkflow, release: string): WorkflowSummary {
  return { release, facts: factsOf(compiled) };
}

/** Null when there is none, or one of another release. */
export function parseSummary(text: string | null, release: string): WorkflowSummary | null {
  if (text === null) return null;
  const summary = JSON.parse(text) as WorkflowSummary;
  // A release that is still being made may have noted less.
  const isWhole = summary.facts.uses?.resources !== undefined;
  return summary.release === release && isWhole ? summary : null;
}
