import { z } from 'zod';
import { named } from './schema-registry.ts';
import { time } from './values.ts';

export const systemSchema = named(
  'System',
  'The server that answers',
  z.strictObject({
    version: z.string(),
    server: z.string().describe('Name of the machine'),
    incarnation: z.string().nullable(),
    startedAt: time,
    uptimeMs: z.int(),
    node: z.string(),
    platform: z.string(),
    isReady: z.boolean(),
    reasons: z.array(z.string()).describe('Why it is not ready'),
    executionsInFlight: z.int(),
    workflowsPublished: z.int(),
    isolation: z.array(
      z.strictObject({
        layer: z.string(),
        isOn: z.boolean(),
        detail: z.string().describe('What it separates, or why it is off'),
      }),
    ),
    limits: z.record(z.string(), z.number()).describe('By name with its unit; 0 is none'),
  }),
);

export const serverSchema = named(
  'Server',
  'One life of one gateway',
  z.strictObject({
    id: z.string().describe('Of the incarnation'),
    server: z.string(),
    state: z.enum(['live', 'dead', 'ended']),
    isThisOne: z.boolean(),
    beat: z.int().describe('Counts up while it lives'),
    startedAt: time,
    endedAt: time.nullable(),
    takenBy: z.string().nullable().describe('The incarnation that went on with its executions'),
  }),
);
export const serverListSchema = z.strictObject({ items: z.array(serverSchema), nextCursor: z.null() });
