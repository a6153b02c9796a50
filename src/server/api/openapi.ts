/** The OpenAPI document (3.1) of the API, from the schemas of its routes. */
import { fastifySwagger } from '@fastify/swagger';
import { fastify } from 'fastify';
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { accessTable } from '../access-table.ts';
import type { ApiServer } from './api-server.ts';
import { apiSchemas } from './schemas/schema-registry.ts';

const tokenName = 'adminToken';

type Json = Record<string, unknown>;

/** JSON text. `addRoutes` registers the routes to describe: on a Fastify that answers nobody. */
export async function describeApi(version: string, addRoutes: (api: ApiServer) => void): Promise<string> {
  const options = { schemaRegistry: apiSchemas, zodToJsonConfig: { override: addDescription } };
  const transform = createJsonSchemaTransform(options);
  const transformObject = createJsonSchemaTransformObject(options);
  const app = fastify();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => () => '');
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'nFlow',
        version,
        description:
          'Workflows, their versions, and the history of their executions. Errors are problem documents (RFC 9457) with a `code`. Writing needs the admin token; reading needs it too unless the server is for this machine only.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This server' }],
      tags: [
        { name: 'workflows', description: 'What is published, drafts, and test runs' },
        { name: 'versions', description: 'What was published, and what changed' },
        { name: 'executions', description: 'The history, and what happens now' },
        { name: 'secrets', description: 'What workflows use without seeing it' },
        { name: 'system', description: 'The servers' },
      ],
      components: {
        securitySchemes: {
          [tokenName]: {
            type: 'http',
            scheme: 'bearer',
            description: '`admin-token` in the data folder of the server',
          },
        },
      },
    },
    transform: (given) => {
      const made = transform(given);
      const { method } = given.route;
      return { ...made, schema: { ...made.schema, ...securityOf(String(method), given.url) } };
    },
    transformObject: (given) => transformObject(given) as ReturnType<typeof transformObject>,
  });
  await app.register(async (api) => addRoutes(api.withTypeProvider<ZodTypeProvider>()));
  await app.ready();
  const document = app.swagger() as unknown as Json;
  await app.close();
  return JSON.stringify(finish(document));
}

/** What `describe` says of a schema without a name is in zod's own registry, which the generator does not read beside ours. */
function addDescription({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: Json }): void {
  const description = z.globalRegistry.get(zodSchema)?.description;
  if (description !== undefined) jsonSchema.description ??= description;
}

function securityOf(method: string, url: string): Json {
  const access = accessTable[`${method} ${url}`];
  if (access === 'write') return { security: [{ [tokenName]: [] }] };
  // Reading may be open: without a token, or with one.
  return { security: access === 'read' ? [{ [tokenName]: [] }, {}] : [] };
}

/** Leaves out components that nothing refers to, and adds the stream, whose events Fastify knows nothing of. */
function finish(document: Json): Json {
  const { components = {} } = document as { components?: { schemas?: Json } };
  const schemas = components.schemas ?? {};
  addStream(document);
  nameAnswers(document.paths as Paths, schemas as Record<string, { description?: string }>);
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(schemas[name]);
    }
  };
  visit(document.paths);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas: kept } };
}

type Paths = Record<string, Record<string, { responses?: Record<string, Answer> }>>;

interface Answer {
  description: string;
  content?: Record<string, { schema?: { $ref?: string } }>;
}

/** What the generator says where a route says nothing of an answer. */
const unsaid = 'Default Response';

/** An answer of which nothing is said is called what its schema is. */
function nameAnswers(paths: Paths, schemas: Readonly<Record<string, { description?: string }>>): void {
  for (const { responses = {} } of Object.values(paths).flatMap((methods) => Object.values(methods))) {
    for (const answer of Object.values(responses)) {
      if (answer.description !== unsaid) continue;
      const name = answer.content?.['application/json']?.schema?.$ref?.split('/').at(-1) ?? '';
      answer.description = schemas[name]?.description ?? 'What was asked for';
    }
  }
}

function addStream(document: Json): void {
  const paths = document.paths as Record<string, { get?: { responses: Json } }>;
  const stream = paths['/nflow/api/v1/executions/events']?.get;
  if (stream === undefined) return;
  stream.responses['200'] = {
    description:
      'Events `execution` with an ExecutionEvent as data; at the end `dropped` or `stopping` with the reason',
    content: {
      'text/event-stream': {
        schema: { type: 'string' },
        'x-event-data': { $ref: '#/components/schemas/ExecutionEvent' },
      },
    },
  };
}
