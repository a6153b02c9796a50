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
    },
    body: {
      schema: template('a value').optional(),
      takes: 'template',
      about: 'A template: an object is sent as JSON, a text as it is.',
      label: 'Body',
      widget: 'json',
      takesSecrets: true,
    },
  },
  // `[http_client] timeout` bounds it further.
  timeoutMsDefault: 30_000,
  output: '`{ status, headers, body }`; a JSON body is parsed. A status of 400 or more throws.',
  check({ method = 'GET', url, headers, query, body }, { pointerOf, templateOf, report }) {
    checkRequestMethod(method as string, pointerOf('method'), report);
    const urlTemplate = templateOf('url');
    if (urlTemplate !== undefined) checkUrl(url as string, urlTemplate, pointerOf('url'), report);
    if (headers !== undefined) checkHeaders(headers, pointerOf('headers'), 'request', report);
    if (query !== undefined) checkQuery(query, pointerOf('query'), report);
    if (body !== undefined && (method === 'GET' || method === 'HEAD')) {
      report({
        pointer: pointerOf('body'),
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
