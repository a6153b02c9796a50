/** Writes docs/reference/workflow-file.md from the schemas of the workflow file. */
import { writeFileSync } from 'node:fs';
import { workflowReference } from './workflow-text.ts';

writeFileSync(new URL('../docs/reference/workflow-file.md', import.meta.url), workflowReference());
