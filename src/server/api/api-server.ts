/** The API's Fastify: what a route declares in its schema is what its handler is given, typed. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type ErrorCode, errorKinds } from '../../errors.ts';
import { problemType } from '../problem.ts';
import { problemSchema } from './schemas/problem-schema.ts';

export type ApiServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export const apiPath = '/nflow/api/v1';

/** Any route may answer them. */
const commonCodes: readonly ErrorCode[] = ['unauthorized', 'forbidden', 'internal_error', 'store_unavailable'];

/**
 * The problems that a route answers, for its `response`. They are written by the error handler, never by the route, so its type does
 * not have them.
 */
export function problems(...codes: ErrorCode[]): Record<never, never> {
  const byStatus = Map.groupBy(new Set([...codes, ...commonCodes]), (code) => errorKinds[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      status,
      {
        description: same.map((code) => `${code}: ${errorKinds[code].title}`).join('; '),
        content: { [problemType]: { schema: problemSchema } },
      },
    ]),
  );
}

export const noContent = z.null().describe('Nothing');
