import type { WorkflowSource } from '../../workflow/published-source.ts';
import type { GivenDefinition } from './schemas/workflow-schemas.ts';

/** An object is written out as people write it, so that the lines that findings name mean something. */
export function sourceOf(definition: GivenDefinition, files: Record<string, string>): WorkflowSource {
  const definitionText = typeof definition === 'string' ? definition : JSON.stringify(definition, null, 2);
  return { definitionText, files };
}
