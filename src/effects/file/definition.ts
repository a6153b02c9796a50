import { z } from 'zod';
import { template } from '../../workflow/field-schemas.ts';
import type { JsonValue } from '../../workflow/parse-file.ts';
import { defineNode, type EffectDefinition, type FieldCheck } from '../definition.ts';
import { fileAreaNames, fileEncodings, fileLimits, fileNodeOperations, fileTraits } from './arguments.ts';

const oneOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.enum(names, { error: `one of ${names.join(', ')}` });

const node = defineNode({
  type: 'file',
  fields: {
    operation: {
      schema: oneOf(fileNodeOperations),
      takes: 'fixed',
      about: 'What is done: see [code](code.md#files) for each.',
      label: 'Operation',
      widget: 'select',
    },
    path: {
      schema: template('the path of a file').optional(),
      takes: 'template',
      about: 'Such as `reports/2026.csv`, within the folder of the workflow. Of `list` a folder; left out, all of it.',
      label: 'Path',
      widget: 'text',
    },
    area: {
      schema: oneOf(fileAreaNames).optional(),
      takes: 'fixed',
      about: '`own` (the default), or `shared`: the folder of the workflows in `[files] shared_workflows`.',
      label: 'Folder',
      widget: 'select',
    },
    data: {
      schema: template('a text, or a value').optional(),
      takes: 'template',
      about: 'Of `write` and `append`: a text as it is, anything else as JSON.',
      label: 'Content',
      widget: 'multiline',
      shownWhen: { operation: ['write', 'append'] },
    },
    encoding: {
      schema: oneOf(fileEncodings).optional(),
      takes: 'fixed',
      about: 'How a text stands for bytes: `text` (UTF-8, the default), `latin1` or `base64`.',
      label: 'Encoding',
      widget: 'select',
      shownWhen: { operation: ['read', 'write', 'append'] },
    },
    overwrite: {
      schema: z.boolean({ error: 'true or false' }).optional(),
      takes: 'fixed',
      about: 'Of `write`: false fails with `exists` when there is a file already. Default true.',
      label: 'Replace what is there',
      widget: 'checkbox',
      shownWhen: { operation: ['write'] },
    },
    offset: {
      schema: template('a number of bytes').optional(),
      takes: 'template',
      about: 'Of `read`: where it begins, in bytes.',
      label: 'Offset',
      widget: 'number',
      shownWhen: { operation: ['read'] },
    },
    length: {
      schema: template('a number of bytes').optional(),
      takes: 'template',
      about: `Of \`read\`: how many bytes at most, up to ${fileLimits.readSizeMax}.`,
      label: 'Length',
      widget: 'number',
      shownWhen: { operation: ['read'] },
    },
    after: {
      schema: template('a name').optional(),
      takes: 'template',
      about: 'Of `list`: `next` of the page before.',
      label: 'After',
      widget: 'text',
      shownWhen: { operation: ['list'] },
    },
    limit: {
      schema: template('a number of entries').optional(),
      takes: 'template',
      about: `Of \`list\`: entries of a page, ${fileLimits.listDefault} unless you say another number, up to ${fileLimits.listMax}.`,
      label: 'Entries',
      widget: 'number',
      shownWhen: { operation: ['list'] },
    },
  },
  timeoutMsDefault: 30_000,
  output:
    'Of `read` the text, of `write` `{ path, size, sha256 }`, of `append` `{ path, size }`, of `list` `{ entries, next }`, of `stat` `{ path, name, type, size, modifiedAt, version }` or null, of `delete` whether there was a file.',
  check: checkFields,
});

const fieldsOf: Readonly<Record<string, { needed: readonly string[]; optional: readonly string[] }>> = {
  read: { needed: ['path'], optional: ['area', 'encoding', 'offset', 'length'] },
  write: { needed: ['path', 'data'], optional: ['area', 'encoding', 'overwrite'] },
  append: { needed: ['path', 'data'], optional: ['area', 'encoding'] },
  list: { needed: [], optional: ['path', 'area', 'after', 'limit'] },
  stat: { needed: ['path'], optional: ['area'] },
  delete: { needed: ['path'], optional: ['area'] },
};

function checkFields(given: Readonly<Record<string, JsonValue>>, { pointerOf, report }: FieldCheck): void {
  const operation = String(given.operation);
  const { needed, optional } = fieldsOf[operation] ?? { needed: [], optional: [] };
  for (const key of needed) {
    if (given[key] !== undefined) continue;
    const message = `The operation ${operation} needs "${key}".`;
    report({ pointer: pointerOf(key), code: 'missing-key', got: 'nothing', expected: `"${key}"`, message });
  }
  for (const key of Object.keys(node.fields)) {
    if (key === 'operation' || given[key] === undefined || needed.includes(key) || optional.includes(key)) continue;
    const expected = ['operation', ...needed, ...optional].map((one) => `"${one}"`).join(', ');
    const message = `The operation ${operation} has no "${key}".`;
    report({ pointer: pointerOf(key), at: 'key', code: 'unknown-key', got: `"${key}"`, expected, message });
  }
}

export const fileDefinition = {
  traits: fileTraits,
  node,
  member: { name: 'file', isPart: true, namesResourceBy: null },
} satisfies EffectDefinition;
