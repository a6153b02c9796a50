/** The API for operators and their tools: every route, and the document that describes them, from the same schemas. */
import type { FastifyInstance, FastifySerializerCompiler } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { type ApiServer, apiPath } from './api-server.ts';
import { addDocsPage } from './docs-page.ts';
import { addExecutionRoutes } from './execution-routes.ts';
import { acceptJsonBodies } from './json-body.ts';
import type { ApiParts } from './parts.ts';
import { checkRequest } from './request-checks.ts';
import { addSecretRoutes } from './secret-routes.ts';
import { addSystemRoutes } from './system-routes.ts';
import { addTestRunRoutes } from './test-run-routes.ts';
import { addVersionRoutes } from './version-routes.ts';
import { addWorkflowRoutes } from './workflow-routes.ts';

/** `checkAnswers`: an answer that is not what its schema says becomes an internal error. */
export function addApi(app: FastifyInstance, parts: ApiParts, checkAnswers: boolean): void {
  app.register(async (api) => {
    acceptJsonBodies(api);
    api.setValidatorCompiler(checkRequest);
    api.setSerializerCompiler(checkAnswers ? writeChecked : writePlain);
    addRoutes(api.withTypeProvider<ZodTypeProvider>(), parts);
    addDocument(api, parts);
  });
  addDocsPage(app);
}

function addRoutes(api: ApiServer, parts: ApiParts): void {
  addWorkflowRoutes(api, parts);
  addVersionRoutes(api, parts);
  addTestRunRoutes(api, parts);
  addExecutionRoutes(api, parts);
  addSecretRoutes(api, parts);
  addSystemRoutes(api, parts);
}

/** Made when it is asked for first: most servers never are, and a start is quicker without it. */
function addDocument(app: FastifyInstance, parts: ApiParts): void {
  let document: Promise<string> | null = null;
  app.get(`${apiPath}/openapi.json`, async (_request, reply) => {
    document ??= import('./openapi.ts').then(({ describeApi }) =>
      describeApi(parts.system.version, (api) => addRoutes(api, parts)),
    );
    return reply.header('content-type', 'application/json').send(Buffer.from(await document));
  });
}

const writePlain: FastifySerializerCompiler<unknown> = () => (data) => JSON.stringify(data);

const writeChecked: FastifySerializerCompiler<z.ZodType> =
  ({ schema, url }) =>
  (data) => {
    const result = schema.safeParse(data);
    if (result.success) return JSON.stringify(data);
    throw new TypeError(`what ${url} answers is not what is documented: ${result.error.message}`);
  };
