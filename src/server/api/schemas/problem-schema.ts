import { z } from 'zod';
import { type ErrorCode, errorKinds } from '../../../errors.ts';
import { named } from './schema-registry.ts';
import { json } from './values.ts';

const codes = Object.keys(errorKinds) as [ErrorCode, ...ErrorCode[]];

export const placeSchema = z.strictObject({ line: z.int(), column: z.int() });

export const problemItemSchema = named(
  'ProblemItem',
  'One thing that is wrong with what was sent',
  z.strictObject({
    pointer: z
      .string()
      .describe('JSON pointer into what was sent: the body, the query, or the definition of a workflow'),
    got: z.string(),
    expected: z.string(),
    code: z.string().optional().describe('Of a finding in a workflow, such as unknown-node'),
    message: z.string().optional(),
    file: z.string().optional().describe('The definition, or the code file'),
    line: z.int().optional().describe('1-based, in the file; of code inside the definition, in the code itself'),
    column: z.int().optional(),
    inlineAt: placeSchema.optional().describe('Where code inside the definition begins in it'),
  }),
);

export const problemSchema = named(
  'Problem',
  'What went wrong (RFC 9457)',
  z.strictObject({
    type: z.string().describe('urn:nflow:error:CODE'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(codes),
    executionId: z.string().optional(),
    requestId: z.string().optional(),
    outcome: z.literal('unknown').optional(),
    errors: z.array(problemItemSchema).optional(),
    reason: json.optional(),
    details: json.optional(),
  }),
);
