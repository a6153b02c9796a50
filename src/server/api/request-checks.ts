/** Checks of what a client sends, by the schemas of a route. All that is wrong is named, in the form of problem documents. */
import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { pointerOf } from '../../workflow/pointer.ts';
import { type ProblemItem, refusal } from '../problem.ts';
import { RequestRefused } from '../request-refused.ts';

const shownMax = 200;

export const checkRequest: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const result = schema.safeParse(data);
    return result.success ? { value: result.data } : { error: refused(result.error, data) };
  };

function refused(error: z.ZodError, data: unknown): RequestRefused {
  const errors = error.issues.map((issue): ProblemItem => {
    const isUnknownKey = issue.code === 'unrecognized_keys';
    const [unknownKey] = isUnknownKey ? issue.keys : [];
    const value = issue.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], data);
    return {
      pointer: pointerOf(unknownKey === undefined ? issue.path : [...issue.path, unknownKey]),
      got: isUnknownKey
        ? issue.keys
            .map((key) => JSON.stringify(key))
            .join(', ')
            .slice(0, shownMax)
        : show(value),
      expected: isUnknownKey ? 'only the keys that are documented here' : issue.message,
    };
  });
  return new RequestRefused(
    refusal('invalid_input', 'The request has parts that this address does not accept.', errors),
  );
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, shownMax);
}
