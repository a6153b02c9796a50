import { z } from 'zod';
import { durationBetween, template } from '../../workflow/field-schemas.ts';
import { isTemplate } from '../../workflow/http-fields.ts';
import type { JsonValue } from '../../workflow/parse-file.ts';
import { defineNode, type EffectDefinition, type FieldCheck } from '../definition.ts';
import {
  cryptoOperations,
  cryptoTraits,
  dataEncodings,
  digestAlgorithms,
  digestEncodings,
  jwtAlgorithms,
  webhookSchemes,
} from './arguments.ts';

const oneOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.enum(names, { error: `one of ${names.join(', ')}` });
const dayMs = 86_400_000;
const yearExpected = 'a duration such as 15m or 30d, up to 3650d';
const toleranceExpected = 'a duration such as 5m, up to 1d';
const algorithms = [...digestAlgorithms, ...jwtAlgorithms] as const;

const node = defineNode({
  type: 'crypto',
  fields: {
    operation: {
      schema: oneOf(cryptoOperations),
      takes: 'fixed',
      about: 'What is done: see [code](code.md#crypto) for each.',
      label: 'Operation',
      widget: 'select',
    },
    data: {
      schema: template('a text').optional(),
      takes: 'template',
      about: 'Of `hash` and `hmac`: what is digested; a text.',
      label: 'Data',
      widget: 'multiline',
      shownWhen: { operation: ['hash', 'hmac'] },
    },
    dataEncoding: {
      schema: oneOf(dataEncodings).optional(),
      takes: 'fixed',
      about: 'How `data` stands for bytes; default `text`, as UTF-8.',
      label: 'Encoding of the data',
      widget: 'select',
      shownWhen: { operation: ['hash', 'hmac'] },
    },
    claims: {
      schema: template('an object of claims').optional(),
      takes: 'template',
      about: 'Of `signJwt`: what the token says. `iat`, and `exp` with `expiresIn`, are added.',
      label: 'Claims',
      widget: 'json',
      shownWhen: { operation: ['signJwt'] },
    },
    token: {
      schema: template('a JWT').optional(),
      takes: 'template',
      about: 'Of `verifyJwt`.',
      label: 'Token',
      widget: 'text',
      shownWhen: { operation: ['verifyJwt'] },
    },
    scheme: {
      schema: oneOf(webhookSchemes).optional(),
      takes: 'fixed',
      about: 'Of `verifyWebhook`: who signs. `plain` is an HMAC of the body in `signatureHeader`.',
      label: 'Scheme',
      widget: 'select',
      shownWhen: { operation: ['verifyWebhook'] },
    },
    payload: {
      schema: template('the body as it arrived').optional(),
      takes: 'template',
      about: 'Of `verifyWebhook`: `{{ input.rawBody }}`, of a trigger with `rawBody: true`.',
      label: 'Body',
      widget: 'text',
      shownWhen: { operation: ['verifyWebhook'] },
    },
    headers: {
      schema: template('an object of headers').optional(),
      takes: 'template',
      about: 'Of `verifyWebhook`: `{{ input.headers }}`, of a trigger that names the headers of the signature.',
      label: 'Headers',
      widget: 'json',
      shownWhen: { operation: ['verifyWebhook'] },
    },
    signatureHeader: {
      schema: z.string({ error: 'the name of a header' }).optional(),
      takes: 'fixed',
      about: 'Of the scheme `plain`: the header that holds the signature.',
      label: 'Header of the signature',
      widget: 'text',
      shownWhen: { scheme: ['plain'] },
    },
    key: {
      schema: template('a key').optional(),
      takes: 'template',
      about: 'A shared key, or a PEM text for RS256 and ES256. Of every operation but `hash`.',
      label: 'Key',
      widget: 'text',
      shownWhen: { operation: ['hmac', 'signJwt', 'verifyJwt', 'verifyWebhook'] },
      takesSecrets: true,
    },
    algorithm: {
      schema: oneOf(algorithms).optional(),
      takes: 'fixed',
      about: 'Default `sha256`; of `signJwt` `HS256`.',
      label: 'Algorithm',
      widget: 'select',
      shownWhen: { operation: ['hash', 'hmac', 'signJwt', 'verifyWebhook'] },
    },
    algorithms: {
      schema: z
        .array(oneOf(jwtAlgorithms), { error: `an array of ${jwtAlgorithms.join(', ')}` })
        .min(1, { error: 'at least one algorithm' })
        .optional(),
      takes: 'fixed',
      about: 'Of `verifyJwt`: those that are accepted. What the token says of itself decides nothing.',
      label: 'Accepted algorithms',
      widget: 'list',
      shownWhen: { operation: ['verifyJwt'] },
    },
    encoding: {
      schema: oneOf(digestEncodings).optional(),
      takes: 'fixed',
      about: 'Of the digest; default `hex`.',
      label: 'Encoding',
      widget: 'select',
      shownWhen: { operation: ['hash', 'hmac', 'verifyWebhook'] },
    },
    keyId: {
      schema: template('a text').optional(),
      takes: 'template',
      about: 'Of `signJwt`: `kid` in the header.',
      label: 'Id of the key',
      widget: 'text',
      shownWhen: { operation: ['signJwt'] },
    },
    expiresIn: {
      schema: durationBetween(1000, 3650 * dayMs, yearExpected).optional(),
      takes: 'duration',
      about: 'Of `signJwt`: sets `exp`.',
      label: 'Expires in',
      widget: 'duration',
      shownWhen: { operation: ['signJwt'] },
    },
    issuer: {
      schema: template('a text').optional(),
      takes: 'template',
      about: 'Of `verifyJwt`: what `iss` must be.',
      label: 'Issuer',
      widget: 'text',
      shownWhen: { operation: ['verifyJwt'] },
    },
    audience: {
      schema: template('a text').optional(),
      takes: 'template',
      about: 'Of `verifyJwt`: what `aud` must be or contain.',
      label: 'Audience',
      widget: 'text',
      shownWhen: { operation: ['verifyJwt'] },
    },
    tolerance: {
      schema: durationBetween(0, dayMs, toleranceExpected).optional(),
      takes: 'duration',
      about:
        'How far clocks may differ (`verifyJwt`, default 0s), how old a signature may be (`verifyWebhook`, default 5m).',
      label: 'Tolerance',
      widget: 'duration',
      shownWhen: { operation: ['verifyJwt', 'verifyWebhook'] },
    },
  },
  timeoutMsDefault: 30_000,
  output: 'The digest or the token as a text; of a check `{ valid, reason, … }`.',
  check: checkFields,
});

/** What each operation needs, and beside that may have. */
const fieldsOf: Readonly<Record<string, { needed: readonly string[]; optional: readonly string[] }>> = {
  hash: { needed: ['data'], optional: ['dataEncoding', 'algorithm', 'encoding'] },
  hmac: { needed: ['data', 'key'], optional: ['dataEncoding', 'algorithm', 'encoding'] },
  signJwt: { needed: ['claims', 'key'], optional: ['algorithm', 'keyId', 'expiresIn'] },
  verifyJwt: { needed: ['token', 'key', 'algorithms'], optional: ['issuer', 'audience', 'tolerance'] },
  verifyWebhook: {
    needed: ['scheme', 'payload', 'headers', 'key'],
    optional: ['signatureHeader', 'algorithm', 'encoding', 'tolerance'],
  },
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
    const expected = `"operation", ${[...needed, ...optional].map((one) => `"${one}"`).join(', ')}`;
    const message = `The operation ${operation} has no "${key}".`;
    report({ pointer: pointerOf(key), at: 'key', code: 'unknown-key', got: `"${key}"`, expected, message });
  }
  const allowed: readonly string[] = operation === 'signJwt' ? jwtAlgorithms : digestAlgorithms;
  if (given.algorithm !== undefined && !allowed.includes(String(given.algorithm))) {
    const message = `The operation ${operation} does not work with this algorithm.`;
    const got = JSON.stringify(given.algorithm);
    report({
      pointer: pointerOf('algorithm'),
      code: 'bad-value',
      got,
      expected: `one of ${allowed.join(', ')}`,
      message,
    });
  }
  const { claims } = given;
  if (claims !== undefined && !isTemplate(claims) && (typeof claims !== 'object' || Array.isArray(claims))) {
    const message = 'The claims of a token are an object, or one expression that gives it.';
    const got = JSON.stringify(claims);
    report({ pointer: pointerOf('claims'), code: 'bad-value', got, expected: 'an object of claims', message });
  }
}

export const cryptoDefinition = {
  traits: cryptoTraits,
  node,
  member: { name: 'crypto', isPart: true, namesResourceBy: null },
} satisfies EffectDefinition;
