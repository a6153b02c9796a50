import { template } from '../../workflow/field-schemas.ts';
import { defineNode, type EffectDefinition } from '../definition.ts';
import { mailTraits } from './arguments.ts';

const node = defineNode({
  type: 'mail',
  fields: {
    to: {
      schema: template('an address, or an array of addresses'),
      takes: 'template',
      about: 'Who gets it: `ana@example.com`, `Ana <ana@example.com>`, or an array of them.',
      label: 'To',
      widget: 'list',
    },
    cc: {
      schema: template('an address, or an array of addresses').optional(),
      takes: 'template',
      about: 'Who gets a copy that all can see.',
      label: 'Copy',
      widget: 'list',
    },
    bcc: {
      schema: template('an address, or an array of addresses').optional(),
      takes: 'template',
      about: 'Who gets a copy that the others do not see.',
      label: 'Hidden copy',
      widget: 'list',
    },
    from: {
      schema: template('an address').optional(),
      takes: 'template',
      about: 'Who it is from; default `[mail] from`.',
      label: 'From',
      widget: 'text',
    },
    replyTo: {
      schema: template('an address, or an array of addresses').optional(),
      takes: 'template',
      about: 'Where answers go.',
      label: 'Answer to',
      widget: 'text',
    },
    subject: {
      schema: template('a text of one line'),
      takes: 'template',
      about: 'One line.',
      label: 'Subject',
      widget: 'text',
    },
    text: {
      schema: template('a text').optional(),
      takes: 'template',
      about:
        'The message as plain text. One of `text` and `html` is needed; with both, the reader of the mail chooses.',
      label: 'Text',
      widget: 'multiline',
    },
    html: {
      schema: template('HTML as a text').optional(),
      takes: 'template',
      about: 'The message as HTML. `{{ }}` in here does not escape anything.',
      label: 'HTML',
      widget: 'code',
    },
    attachments: {
      schema: template('an array of { name, type, content, encoding }').optional(),
      takes: 'template',
      about:
        'An array of `{ name, type, content, encoding }`: `content` is base64, or a text with `"encoding": "text"`; `type` is a media type, by default what the name says.',
      label: 'Attachments',
      widget: 'json',
    },
    headers: {
      schema: template('an object of names and texts').optional(),
      takes: 'template',
      about: 'Further headers by their names, such as `List-Unsubscribe`.',
      label: 'Headers',
      widget: 'json',
    },
  },
  timeoutMsDefault: 30_000,
  output:
    '`{ messageId, accepted, rejected, response }`: `rejected` has the addresses that the server refused while it took others.',
  check(given, { pointerOf, report }) {
    if (given.text !== undefined || given.html !== undefined) return;
    report({
      pointer: pointerOf('to').slice(0, -'/to'.length),
      code: 'missing-key',
      got: 'neither "text" nor "html"',
      expected: '"text", "html" or both',
      message: 'A mail says something: give it a "text" or "html".',
    });
  },
});

export const mailDefinition = {
  traits: mailTraits,
  node,
  member: { name: 'mail', isPart: true, namesResourceBy: null },
} satisfies EffectDefinition;
