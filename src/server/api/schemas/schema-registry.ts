/**
 * Names of the schemas that several routes share. In the OpenAPI document each is a component under its name; the others are written
 * out where they are used.
 */
import { z } from 'zod';

export const apiSchemas = z.registry<{ id: string; description?: string }>();

/** Gives a schema its name in the document. */
export function named<Schema extends z.ZodType>(id: string, description: string, schema: Schema): Schema {
  apiSchemas.add(schema, { id, description });
  return schema;
}
