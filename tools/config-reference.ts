/** Writes docs/reference/config.md from the table of configuration keys. */
import { writeFileSync } from 'node:fs';
import { configReference } from '../src/config/reference.ts';

writeFileSync(new URL('../docs/reference/config.md', import.meta.url), configReference());
