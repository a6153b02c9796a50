import { z } from 'zod';
import { named } from './schema-registry.ts';
import { cursor, givenTime, json, pageLimit, pageOf, searchedText, time, workflowName } from './values.ts';

export const executionStatuses = [
  'running',
  'waiting',
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'crashed',
] as const;
const status = z.enum(executionStatuses, { error: `one of ${executionStatuses.join(', ')}` });
const durability = z.enum(['durable', 'recorded', 'ephemeral']);
const trigger = z
  .enum(['http', 'manual', 'test'])
  .describe('What started it; test: a test run, which is in no history');

const idExpected = 'an id, or its last 8 characters';
export const executionIdOrTail = z
  .string()
  .regex(/^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{8})$/i, idExpected)
  .describe(idExpected);
export const executionParams = z.strictObject({ id: executionIdOrTail });

const fullId = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, 'a whole id');
export const holdParams = z.strictObject({ id: fullId });
/** Nothing at all means: until it is released. */
export const holdBody = z
  .strictObject({ until: givenTime.optional().describe('Without it: until it is released') })
  .nullish();

/** One, or several: repeated in the query. */
const someStatuses = z.union([status, z.array(status).min(1).max(executionStatuses.length)], {
  error: `one or more of ${executionStatuses.join(', ')}`,
});

export const executionListQuery = z.strictObject({
  workflow: workflowName.optional().describe('Of this workflow'),
  status: someStatuses.optional().describe('In this state; repeat it for several'),
  from: givenTime.optional().describe('Created at this time or later'),
  to: givenTime.optional().describe('Created before this time'),
  text: searchedText
    .optional()
    .describe("Found in the workflow's name, in the error, or as an id or its last 8 characters"),
  cursor: cursor.optional(),
  limit: pageLimit,
});

export const eventsQuery = z.strictObject({ workflow: workflowName.optional(), status: someStatuses.optional() });

const timingSchema = named(
  'Timing',
  'Milliseconds each',
  z.strictObject({
    queueMs: z.number(),
    acquireMs: z.number(),
    runMs: z.number(),
    effectsMs: z.number(),
    batchWaitMs: z.number().describe('Until the commit batch was sent'),
    totalMs: z.number(),
  }),
);

const errorSchema = named(
  'ExecutionError',
  'Why an execution did not succeed',
  z.strictObject({
    code: z.string(),
    message: z.string(),
    workflow: z.string().nullable(),
    node: z.string().nullable(),
    line: z.number().nullable(),
    column: z.number().nullable(),
    got: z.string().nullable(),
    expected: z.string().nullable(),
    remedy: z.string().nullable(),
    retryable: z.boolean(),
    stack: z.string().nullable().describe("The author's own lines; never in an answer to a client"),
  }),
);

const logSchema = z.strictObject({
  step: z.string(),
  attempt: z.int(),
  level: z.string(),
  time,
  text: z.string(),
});

const effectSchema = named(
  'Effect',
  'Something that a step did outside of its VM',
  z.strictObject({
    seq: z.int().describe('From 1, within the attempt of the step'),
    kind: z.string(),
    description: z.string().nullable().describe('Null while it is only in the journal, like the times'),
    status: z.enum(['succeeded', 'failed']),
    startMs: z.number().nullable().describe('Since the execution began'),
    durationMs: z.number().nullable(),
  }),
);

const stepSchema = named(
  'Step',
  'One execution of a node',
  z.strictObject({
    path: z.string(),
    node: z.string(),
    type: z.string().nullable().describe('Null when the version is not known any more'),
    attempt: z.int(),
    status: z.enum(['succeeded', 'failed', 'running']),
    startMs: z.number(),
    durationMs: z.number(),
    output: json,
    effects: z.array(effectSchema),
  }),
);

const summaryShape = {
  id: z.string(),
  workflow: z.string(),
  version: z.int(),
  status,
  durability,
  trigger,
  createdAt: time,
  startedAt: time,
  endedAt: time.nullable(),
  timing: timingSchema.nullable(),
};

export const executionSummarySchema = named(
  'ExecutionSummary',
  'An execution as lists show it',
  z.strictObject(summaryShape),
);
export const executionPageSchema = pageOf(executionSummarySchema);

export const executionSchema = named(
  'Execution',
  'An execution with its steps',
  z.strictObject({
    ...summaryShape,
    input: json,
    output: json,
    error: errorSchema.nullable(),
    steps: z.array(stepSchema),
    logs: z.array(logSchema),
  }),
);

export const executionEventSchema = named(
  'ExecutionEvent',
  'The data of an event of the live stream',
  z.strictObject({
    id: z.string(),
    workflow: z.string(),
    version: z.int(),
    status,
    durability,
    trigger,
    startedAt: time,
    durationMs: z.number().nullable().describe('Null while it is running'),
    httpStatus: z.int().nullable(),
    error: z
      .strictObject({
        code: z.string(),
        message: z.string(),
        node: z.string().nullable(),
        line: z.number().nullable(),
        column: z.number().nullable(),
      })
      .nullable(),
  }),
);

export type TimingView = z.infer<typeof timingSchema>;
export type ErrorView = z.infer<typeof errorSchema>;
export type LogView = z.infer<typeof logSchema>;
export type EffectView = z.infer<typeof effectSchema>;
export type StepView = z.infer<typeof stepSchema>;
export type ExecutionSummaryView = z.infer<typeof executionSummarySchema>;
export type ExecutionView = z.infer<typeof executionSchema>;
export type ExecutionEventView = z.infer<typeof executionEventSchema>;
