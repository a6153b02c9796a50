/** Writes docs/reference/errors.md from the table of error codes. */
import { writeFileSync } from 'node:fs';
import { errorsReference } from './errors-text.ts';

writeFileSync(new URL('../docs/reference/errors.md', import.meta.url), errorsReference());
