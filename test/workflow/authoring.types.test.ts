import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import type * as authoring from '../../authoring/workflow.d.ts';
import * as provided from '../../authoring/workflow.js';
import type { nodeSchemas, triggerSchemas, workflowSchema } from '../../src/workflow/definition.ts';
import { authoringExports } from '../../src/workflow/module/load-modules.ts';

/** Never, unless both types are the same. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
type KeysByType<T extends { type: string }> = { [Type in T['type']]: keyof Extract<T, { type: Type }> };
type KeysOf<Schemas extends Record<string, z.ZodObject>> = { [Type in keyof Schemas]: keyof z.input<Schemas[Type]> };

/** The compiler checks these: each is `true` only while the types of authors and the schemas have the same keys. */
const hasKeysOf: {
  workflow: Same<keyof authoring.Workflow, keyof z.input<typeof workflowSchema>>;
  nodes: Same<KeysByType<authoring.Node>, KeysOf<typeof nodeSchemas>>;
  triggers: Same<KeysByType<authoring.Trigger>, KeysOf<typeof triggerSchemas>>;
  methods: Same<authoring.HttpTrigger['method'], z.input<typeof triggerSchemas.http>['method']>;
} = { workflow: true, nodes: true, triggers: true, methods: true };

test('the types of authors have the keys that workflow files may have', () => {
  assert.deepEqual(Object.values(hasKeysOf), [true, true, true, true]);
});

test('what the package exports for authors is what is provided when a workflow file is evaluated', () => {
  assert.deepEqual(Object.keys(provided), authoringExports);
  const definition = { format: 1, name: 'a', nodes: { a: { type: 'end' } } } as const;
  assert.equal(provided.defineWorkflow(definition), definition);
});
