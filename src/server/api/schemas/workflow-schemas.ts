import { z } from 'zod';
import type { VersionName } from '../../../registry/port.ts';
import { workflowLimits } from '../../../workflow/limits.ts';
import { executionSchema } from './execution-schemas.ts';
import { type placeSchema, problemItemSchema } from './problem-schema.ts';
import { named } from './schema-registry.ts';
import {
  cursor,
  isStorable,
  json,
  pageLimit,
  pageOf,
  searchedText,
  time,
  versionNumber,
  workflowName,
} from './values.ts';

const states = ['published', 'unpublished', 'draft', 'archived'] as const;
const stateSchema = z
  .enum(states, { error: `one of ${states.join(', ')}` })
  .describe(
    'published: a version answers; unpublished: none does; draft: there is no version yet; archived: out of use',
  );

const originMax = 500;
const originExpected = `1 to ${originMax} characters, none of them U+0000`;
const origin = z
  .string(originExpected)
  .min(1, originExpected)
  .max(originMax, originExpected)
  .refine(isStorable, originExpected)
  .describe('Label of where workflows come from, such as a folder');

const triggerSchema = named(
  'Trigger',
  'What starts a workflow',
  z.union([
    z.strictObject({ type: z.literal('http'), method: z.string(), path: z.string() }),
    z.strictObject({ type: z.literal('manual') }),
  ]),
);

const usesSchema = named(
  'Uses',
  'What a version uses of the world around it',
  z.strictObject({
    nodeTypes: z.array(z.string()),
    effects: z.array(z.string()).describe('Kinds of effects that it can ask for'),
    vars: z.array(z.string()).nullable().describe('Names of vars; null when code hides which'),
    resources: z
      .record(z.string(), z.array(z.string()).nullable())
      .describe('Names of datasources, Redis connections, file roots and secrets, by kind; null when code hides which'),
  }),
);

/** Of the published version; null where there is none. */
const factsShape = {
  description: z.string().nullable(),
  durability: z.enum(['durable', 'recorded', 'ephemeral']).nullable(),
  triggers: z.array(triggerSchema),
};

const workflowShape = {
  name: z.string(),
  version: z.int().nullable().describe('The one that is published'),
  ...factsShape,
  state: stateSchema,
  origin: z.string().nullable(),
  publishedAt: time.nullable(),
  versionCount: z.int(),
  draftUpdatedAt: time.nullable(),
};

export const workflowSummarySchema = named(
  'WorkflowSummary',
  'A workflow as lists show it',
  z.strictObject(workflowShape),
);
export const workflowPageSchema = pageOf(workflowSummarySchema);

export const versionSummarySchema = named(
  'VersionSummary',
  'A version of a workflow',
  z.strictObject({ version: z.int(), publishedAt: time, isPublished: z.boolean() }),
);
export const versionPageSchema = pageOf(versionSummarySchema);

const definitionObject = z.record(z.string(), json).describe('The workflow, as in a *.workflow.json file');
const files = z.record(z.string(), z.string()).describe('Content of the code files that the definition names, by path');

export const workflowSchema = named(
  'Workflow',
  'A workflow with its published version',
  z.strictObject({
    ...workflowShape,
    timeoutMs: z.int().nullable(),
    uses: usesSchema.nullable(),
    definition: definitionObject.nullable(),
    files,
    versions: z.array(versionSummarySchema).describe('The newest ones'),
  }),
);

export const versionSchema = named(
  'Version',
  'A version with its content',
  z.strictObject({
    name: z.string(),
    version: z.int(),
    publishedAt: time,
    isPublished: z.boolean(),
    ...factsShape,
    timeoutMs: z.int().nullable(),
    uses: usesSchema.nullable(),
    definition: definitionObject,
    files,
  }),
);

export const draftSchema = named(
  'Draft',
  'What an author has put aside',
  z.strictObject({
    name: z.string(),
    updatedAt: time,
    definition: z.string().describe('The text as it was put, comments and all'),
    files,
    isValid: z.boolean(),
    errors: z.array(problemItemSchema),
  }),
);

// ---- requests ---------------------------------------------------------------------------------------------------------------------

export const workflowParams = z.strictObject({ name: workflowName });

const versionInPath = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'a version number, from 1')
  .transform(Number);
export const versionParams = z.strictObject({ name: workflowName, version: versionInPath });

export const workflowListQuery = z.strictObject({
  state: stateSchema.optional().describe('Without it: all but archived ones'),
  origin: origin.optional(),
  text: searchedText.optional().describe('Found in the name'),
  cursor: cursor.optional(),
  limit: pageLimit,
});

export const versionListQuery = z.strictObject({ cursor: cursor.optional(), limit: pageLimit });

const versionNameExpected = 'a version number, "published" or "draft"';
const versionName = z
  .string({ error: versionNameExpected })
  .regex(/^(published|draft|[1-9]\d{0,8})$/, versionNameExpected)
  .transform((text): VersionName => (text === 'published' || text === 'draft' ? text : Number(text)));

export const diffQuery = z.strictObject({
  from: versionName,
  to: versionName.optional().describe('Default: published'),
});

const definition = z
  .union([z.string(), z.record(z.string(), json)], { error: 'a workflow: an object, or the text of a workflow file' })
  .refine((given) => typeof given !== 'string' || isStorable(given), 'a text without U+0000')
  .describe('A workflow: an object, or the text of a *.workflow.json file, whose lines and columns findings then name');

const sourceFilesMax = workflowLimits.nodesMax;
const sentFiles = files
  .refine((sent) => Object.keys(sent).length <= sourceFilesMax, { error: `at most ${sourceFilesMax} files` })
  .default({});

export const draftQuery = z.strictObject({
  incomplete: z
    .enum(['true', 'false'], { error: 'true or false' })
    .default('false')
    .describe('Keep it although it has mistakes'),
});

export const draftBody = z.strictObject({ definition, files: sentFiles });

/** Nothing at all means the draft. */
export const publishBody = z
  .strictObject({ definition: definition.optional(), files: sentFiles, origin: origin.optional() })
  .nullish();

export const batchMax = 10_000;
export const batchBody = z.strictObject({
  workflows: z
    .array(
      z.strictObject({
        definition,
        files: sentFiles,
        file: z.string().max(1000).optional().describe('How findings name it'),
      }),
    )
    .max(batchMax, `at most ${batchMax} workflows`),
  origin: origin.optional(),
  prune: z.boolean().default(false).describe('Archive what has this origin and is not among the workflows'),
  dryRun: z.boolean().default(false).describe('Tell what would happen, and change nothing'),
});

export const rollbackBody = z.strictObject({ version: versionNumber });

export const testBody = z
  .strictObject({
    body: json.optional().describe('input.body, with the rest as its HTTP trigger would give it'),
    input: json.optional().describe('The whole input'),
    version: z
      .union([z.enum(['published', 'draft']), versionNumber], { error: versionNameExpected })
      .optional()
      .describe('Default: the draft if there is one, else what is published'),
    definition: definition.optional().describe('Run this, which is neither a draft nor a version'),
    files: sentFiles,
    dryRun: z
      .boolean()
      .default(false)
      .describe('Effects that change something outside are not performed: each gives an empty success'),
  })
  .nullish();

// ---- answers ----------------------------------------------------------------------------------------------------------------------

export const draftKeptSchema = z.strictObject({
  name: z.string(),
  updatedAt: time,
  isValid: z.boolean(),
  errors: z.array(problemItemSchema),
});

export const publishedSchema = z.strictObject({
  name: z.string(),
  version: z.int(),
  isChanged: z.boolean().describe('False when this is what was published already'),
});

const namedVersion = z.strictObject({ name: z.string(), version: z.int() });
export const batchSchema = named(
  'BatchReport',
  'What became of each workflow of a batch. In a dry run the versions are those of now.',
  z.strictObject({
    published: z.array(namedVersion),
    unchanged: z.array(namedVersion),
    removed: z.array(z.string()),
    refused: z.array(
      z.strictObject({
        file: z.string(),
        name: z.string().nullable(),
        code: z.enum(['invalid_workflow', 'conflict']),
        errors: z.array(problemItemSchema),
      }),
    ),
  }),
);

const fieldChange = z.strictObject({ pointer: z.string(), before: json, after: json });
const nameAndType = z.strictObject({ name: z.string(), type: z.string() });
export const diffSchema = named(
  'Diff',
  'What is different between two versions',
  z.strictObject({
    isSame: z.boolean(),
    settings: z.array(fieldChange).describe('Keys of the workflow itself'),
    nodes: z.strictObject({
      added: z.array(nameAndType),
      removed: z.array(nameAndType),
      changed: z.array(
        z.strictObject({
          name: z.string(),
          typeBefore: z.string(),
          typeAfter: z.string(),
          fields: z.array(fieldChange),
          code: z
            .strictObject({
              fileBefore: z.string().nullable(),
              fileAfter: z.string().nullable(),
              diff: z.string().describe('Hunks of a unified diff'),
            })
            .nullable(),
        }),
      ),
      isReordered: z.boolean().describe('The first node is the start where none is named'),
    }),
  }),
);

export const testResultSchema = named(
  'TestResult',
  'The answer that a client would get, and the execution behind it',
  z.strictObject({
    status: z.int(),
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    body: json.describe('Null for an empty one'),
    execution: executionSchema.nullable().describe('Null when the run was refused before it began'),
  }),
);

export type WorkflowSummaryView = z.infer<typeof workflowSummarySchema>;
export type WorkflowView = z.infer<typeof workflowSchema>;
export type VersionView = z.infer<typeof versionSchema>;
export type TriggerView = z.infer<typeof triggerSchema>;
export type BatchView = z.infer<typeof batchSchema>;
export type GivenDefinition = z.infer<typeof definition>;
export type Place = z.infer<typeof placeSchema>;
