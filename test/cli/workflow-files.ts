/** Workflow files that tests write into a folder of their own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A workflow of one code node. */
export function codeWorkflow(name: string, code: string, trigger: object = { type: 'manual' }): object {
  return { format: 1, name, triggers: [trigger], nodes: { work: { type: 'code', code } } };
}

export const orderTotal = codeWorkflow(
  'order-total',
  'const { name, items } = input.body;\nlet total = 0;\nfor (const { price, qty } of items) total += price * qty;\nreturn { ok: true, total, name };',
  { type: 'http', method: 'POST', path: '/api/orders/total' },
);

export function writeWorkflow(folder: string, file: string, definition: object): string {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(definition, null, 2));
  return path;
}
