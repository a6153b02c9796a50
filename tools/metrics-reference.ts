/** Writes docs/reference/metrics.md from what `/metrics` answers. */
import { writeFileSync } from 'node:fs';
import { metricsReference } from './metrics-text.ts';

writeFileSync(new URL('../docs/reference/metrics.md', import.meta.url), await metricsReference());
