import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorsReference } from '../../tools/errors-text.ts';
import { metricsReference } from '../../tools/metrics-text.ts';
import { workflowReference } from '../../tools/workflow-text.ts';

const references: Record<string, () => string | Promise<string>> = {
  errors: errorsReference,
  metrics: metricsReference,
  'workflow-file': workflowReference,
};
for (const [name, make] of Object.entries(references)) {
  test(`the committed reference of ${name} is what its table makes`, async () => {
    const committed = readFileSync(new URL(`../../docs/reference/${name}.md`, import.meta.url), 'utf8');
    assert.ok(
      committed === (await make()),
      `run \`node bin/pinned-node.mjs tools/${name.replace('-file', '')}-reference.ts\``,
    );
  });
}
