import { z } from 'zod';
import { template } from '../../workflow/field-schemas.ts';
import { checkHeaders, checkQuery, checkRequestMethod, checkUrl, methodsExpected } from '../../workflow/http-fields.ts';
import { defineNode, type EffectDefinition } from '../definition.ts';
import { httpTraits } from './arguments.ts';

const node = defineNode({
  type: 'http',
  fields: {
    method: {
      schema: z.string({ error: methodsExpected }).optional(),
      takes: 'template',
      about: 'Default GET. Every method but GET and HEAD is an unsafe effect and carries an `Idempotency-Key`.',
      label: 'Method',
      widget: 'select',
    },
    url: {
      schema: z.string({ error: 'an address such as https://example.com/stock' }),
      takes: 'template',
      about: 'An http or https address; a template.',
      label: 'Address',
      widget: 'text',
      takesSecrets: true,
    },
    headers: {
      schema: template('an object of headers').optional(),
      takes: 'template',
      about: 'Templates. Headers of the connection are refused.',
      label: 'Headers',
      widget: 'json',
      takesSecrets: true,
    },
    query: {
      schema: template('an object of query parameters').optional(),
      takes: 'template',
      about: 'Added to the address; an array repeats the name.',
      label: 'Query',
      widget: 'json',
      takesSecrets: true,
    },
    auth: {
      schema: template('an object with "type" and what belongs to it').optional(),
      takes: 'template',
      about:
        '`{ type: "bearer", token }`, `{ type: "basic", username, password }`, or `{ type: "apiKey", value }` with the name of a `header` or a `query` parameter. The gateway makes the header of it, so that a password may be a secret.',
      label: 'Authorization',
      widget: 'json',
      takesSecrets: true,
    },
    body: {
      schema: template('a value').optional(),
      takes: 'template',
      about: 'A template: an object is sent as JSON, a text as it is.',
      label: 'Body',
      widget: 'json',
      takesSecrets: true,
    },
    form: {
      schema: template('an object of fields').optional(),
      takes: 'template',
      about:
        'Instead of `body`: fields of a form, sent as `application/x-www-form-urlencoded`. An array repeats the name.',
      label: 'Form',
      widget: 'json',
      takesSecrets: true,
    },
    multipart: {
      schema: template('a list of parts').optional(),
      takes: 'template',
      about:
        'Instead of `body`: parts of a `multipart/form-data` body, each `{ name, value }` or `{ name, base64 }`, and maybe `filename` and `contentType`.',
      label: 'Parts',
      widget: 'json',
      takesSecrets: true,
    },
    tls: {
      schema: z.string({ error: 'the NAME of [tls.NAME] in the configuration' }).optional(),
      takes: 'fixed',
      about: 'TLS settings of its own: the NAME of `[tls.NAME]` in the configuration, which has to be granted.',
      label: 'TLS settings',
      widget: 'text',
    },
    saveTo: {
      schema: template('a path, or an object with "path" and "maxSize"').optional(),
      takes: 'template',
      about:
        'The body of an answer below 300 goes into this file of the workflow, whatever its size; `body` is then `{ path, size, sha256 }`. A path, or `{ path, maxSize }` in bytes.',
      label: 'Save to',
      widget: 'text',
    },
  },
  // `[http_client] timeout` bounds it further.
  timeoutMsDefault: 30_000,
  output: '`{ status, headers, body }`; a JSON body is parsed. A status of 400 or more throws.',
  check({ method = 'GET', url, headers, query, ...given }, { pointerOf, templateOf, report }) {
    checkRequestMethod(method as string, pointerOf('method'), report);
    const urlTemplate = templateOf('url');
    if (urlTemplate !== undefined) checkUrl(url as string, urlTemplate, pointerOf('url'), report);
    if (headers !== undefined) checkHeaders(headers, pointerOf('headers'), 'request', report);
    if (query !== undefined) checkQuery(query, pointerOf('query'), report);
    const bodies = ['body', 'form', 'multipart'].filter((key) => given[key] !== undefined);
    const [first, second] = bodies;
    if (second !== undefined) {
      report({
        pointer: pointerOf(second),
        at: 'key',
        code: 'bad-value',
        got: `"${second}" beside "${first}"`,
        expected: 'one of "body", "form" and "multipart"',
        message: 'A request has one body.',
      });
    }
    if (first !== undefined && (method === 'GET' || method === 'HEAD')) {
      report({
        pointer: pointerOf(first),
        at: 'key',
        code: 'bad-value',
        got: 'a body',
        expected: 'no body',
        message: `A ${method} request has no body. Use "query", or another method.`,
      });
    }
  },
});

export const httpDefinition = {
  traits: httpTraits,
  node,
  member: { name: 'http', isPart: false, namesResourceBy: null },
} satisfies EffectDefinition;
