import { z } from 'zod';
import { corsHeaderExpected, corsMaxAgeMsMax, corsOriginExpected, isCorsHeader, isCorsOrigin } from '../config/cors.ts';
import { durationExpected, formatDuration, parseDuration } from '../config/duration.ts';
import { historyClassExpected, isHistoryClass } from '../config/history-class.ts';
import { effectNodeSchemas } from '../effects/definitions.ts';
import { errorReference, expression, nodeReference, template, timeout } from './field-schemas.ts';
import { methods, methodsExpected } from './http-fields.ts';
import { workflowLimits } from './limits.ts';
import { workflowNameExpected, workflowNamePattern } from './names.ts';

/**
 * The workflow file, format 1: the shape of each part. The text given as a schema's `error` says what is allowed there; findings
 * show it as `expected`. What depends on other parts (edges, routes, templates, code) is checked after the shape.
 */

const trustGroupExpected = `the name of a group of workflows that may share a process: ${workflowNameExpected}`;
const headerList = (expected: string) =>
  z.array(z.string({ error: expected }), { error: expected }).max(workflowLimits.headersMax, {
    error: `at most ${workflowLimits.headersMax}`,
  });

/** Every key of the file but `triggers` and `nodes`, whose parts are checked one by one. */
export const workflowSchema = z.strictObject(
  {
    format: z.literal(1, { error: '1' }),
    name: z.string({ error: workflowNameExpected }).regex(workflowNamePattern, { error: workflowNameExpected }),
    description: z
      .string({ error: 'a text' })
      .max(workflowLimits.descriptionLengthMax, { error: `at most ${workflowLimits.descriptionLengthMax} characters` })
      .optional(),
    triggers: z
      .array(z.unknown(), { error: 'an array of triggers' })
      .max(workflowLimits.triggersMax, { error: `at most ${workflowLimits.triggersMax} triggers` })
      .optional(),
    durability: z
      .enum(['durable', 'recorded', 'ephemeral'], { error: '"durable" (the default), "recorded" or "ephemeral"' })
      .optional(),
    isolation: z.enum(['shared', 'fresh'], { error: '"shared" (the default) or "fresh"' }).optional(),
    timeout: timeout.optional(),
    trustGroup: z
      .string({ error: trustGroupExpected })
      .regex(workflowNamePattern, { error: trustGroupExpected })
      .optional(),
    nodes: z.record(z.string(), z.unknown(), { error: 'an object of nodes by their names' }),
    start: z.string({ error: 'the name of a node' }).optional(),
    history: z
      .strictObject(
        { class: z.string({ error: historyClassExpected }).refine(isHistoryClass, { error: historyClassExpected }) },
        { error: 'an object with "class"' },
      )
      .optional(),
    layout: z.record(z.string(), z.unknown(), { error: 'an object' }).optional(),
  },
  { error: 'an object' },
);

const corsExpected = 'an object with "origins", or false for none';
const corsMaxAgeExpected = `${durationExpected}, up to ${formatDuration(corsMaxAgeMsMax)}`;
const corsList = (isItem: (item: string) => boolean, expected: string) =>
  z
    .array(z.string({ error: expected }).refine(isItem, { error: expected }), { error: `an array, each ${expected}` })
    .max(workflowLimits.headersMax, { error: `at most ${workflowLimits.headersMax}` });

const cors = z.union(
  [
    z.strictObject(
      {
        origins: corsList(isCorsOrigin, corsOriginExpected),
        headers: corsList(isCorsHeader, corsHeaderExpected).optional(),
        exposedHeaders: corsList(isCorsHeader, corsHeaderExpected).optional(),
        credentials: z.boolean({ error: 'true or false' }).optional(),
        maxAge: z
          .string({ error: corsMaxAgeExpected })
          .refine((text) => (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= corsMaxAgeMsMax, {
            error: corsMaxAgeExpected,
          })
          .optional(),
      },
      { error: corsExpected },
    ),
    z.literal(false, { error: corsExpected }),
  ],
  { error: corsExpected },
);

const uploadSizeExpected = `bytes: a whole number from 1 to ${workflowLimits.uploadSizeMax}`;
const uploadFilesExpected = `a whole number from 1 to ${workflowLimits.uploadFilesMax}`;
const uploads = z.strictObject(
  {
    maxSize: z
      .int({ error: uploadSizeExpected })
      .min(1, { error: uploadSizeExpected })
      .max(workflowLimits.uploadSizeMax, { error: uploadSizeExpected }),
    maxFiles: z
      .int({ error: uploadFilesExpected })
      .min(1, { error: uploadFilesExpected })
      .max(workflowLimits.uploadFilesMax, { error: uploadFilesExpected })
      .optional(),
  },
  { error: 'an object with "maxSize" in bytes, and "maxFiles"' },
);

export const triggerSchemas = {
  http: z.strictObject({
    type: z.literal('http'),
    method: z.enum(methods, { error: methodsExpected }),
    path: z.string({ error: 'a path such as /api/orders/:id' }),
    headers: headerList('an array of names of request headers').optional(),
    cookies: headerList('an array of names of cookies').optional(),
    rawBody: z.boolean({ error: 'true or false' }).optional(),
    sandboxHtml: z.boolean({ error: 'true or false' }).optional(),
    cors: cors.optional(),
    uploads: uploads.optional(),
  }),
  manual: z.strictObject({ type: z.literal('manual') }),
} as const;

const functionExpected = 'the text of a function of (input, ctx, nodes, prev)';
/** Blank lines take the place of what stands before the function, so the number is bounded. */
const placeMax = 100_000;
const placeExpected = `a whole number from 1 to ${placeMax}`;

const identifierPattern = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

const code = z.union(
  [
    z.string(),
    z.strictObject({
      file: z.string({ error: 'the path of a .js or .ts file, relative to the workflow file' }),
      /** Only in the published form: the content of the file. */
      source: z.string().optional(),
    }),
    /** What a function of a workflow module becomes. */
    z.strictObject({
      function: z.string({ error: functionExpected }),
      file: z.string({ error: 'the path of the module, relative to the workflow file' }),
      line: z.int({ error: placeExpected }).min(1, { error: placeExpected }).max(placeMax, { error: placeExpected }),
      column: z.int({ error: placeExpected }).min(1, { error: placeExpected }).max(placeMax, { error: placeExpected }),
      imports: z
        .array(z.strictObject({ from: z.string(), name: z.string(), as: z.string().regex(identifierPattern) }))
        .optional(),
    }),
  ],
  { error: 'JavaScript or TypeScript as a string, or { "file": "./name.ts" }' },
);

const switchCase = z.strictObject(
  {
    equals: template('a value').optional(),
    when: expression.optional(),
    next: nodeReference.optional(),
  },
  { error: 'an object with "equals" or "when", and "next"' },
);

export const nodeSchemas = {
  code: z.strictObject({
    type: z.literal('code'),
    code,
    next: nodeReference.optional(),
    onError: errorReference.optional(),
  }),
  if: z.strictObject({
    type: z.literal('if'),
    condition: expression,
    // biome-ignore lint/suspicious/noThenProperty: it is the name of the field.
    then: nodeReference.optional(),
    else: nodeReference.optional(),
    onError: errorReference.optional(),
  }),
  switch: z.strictObject({
    type: z.literal('switch'),
    value: expression.optional(),
    cases: z
      .array(switchCase, { error: 'an array of cases' })
      .min(1, { error: 'at least one case' })
      .max(workflowLimits.casesMax, { error: `at most ${workflowLimits.casesMax} cases` }),
    default: nodeReference.optional(),
    onError: errorReference.optional(),
  }),
  set: z.strictObject({
    type: z.literal('set'),
    values: z.record(z.string(), template('a value'), { error: 'an object of values' }),
    next: nodeReference.optional(),
    onError: errorReference.optional(),
  }),
  ...effectNodeSchemas,
  respond: z.strictObject({
    type: z.literal('respond'),
    status: template('a status').optional(),
    headers: template('an object of headers').optional(),
    body: template('a value').optional(),
    file: template('the path of a file').optional(),
    area: z.enum(['own', 'shared'], { error: '"own" or "shared"' }).optional(),
  }),
  fail: z.strictObject({
    type: z.literal('fail'),
    code: z.string({ error: 'a short code such as out_of_stock' }).optional(),
    message: z.string({ error: 'a sentence for the client' }),
    status: template('a status').optional(),
    details: template('a value').optional(),
  }),
  end: z.strictObject({ type: z.literal('end'), output: template('a value').optional() }),
} as const;

export type WorkflowDefinition = z.infer<typeof workflowSchema>;
export type TriggerDefinition = z.infer<(typeof triggerSchemas)[keyof typeof triggerSchemas]>;
export type NodeDefinition = z.infer<(typeof nodeSchemas)[keyof typeof nodeSchemas]>;
export type NodeOf<T extends NodeDefinition['type']> = Extract<NodeDefinition, { type: T }>;
