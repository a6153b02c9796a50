import { RequestRefused } from '../request-refused.ts';
import { type ApiServer, apiPath, noContent, problems } from './api-server.ts';
import { sourceOf } from './given-source.ts';
import { type ApiParts, required } from './parts.ts';
import {
  batchBody,
  batchSchema,
  draftBody,
  draftKeptSchema,
  draftQuery,
  draftSchema,
  publishBody,
  publishedSchema,
  rollbackBody,
  workflowListQuery,
  workflowPageSchema,
  workflowParams,
  workflowSchema,
} from './schemas/workflow-schemas.ts';
import {
  batchView,
  findingItems,
  invalidWorkflow,
  publishingProblem,
  workflowSummaryView,
  workflowView,
} from './workflow-view.ts';

const tags = ['workflows'];
const path = `${apiPath}/workflows`;
/** Of the versions that come with a workflow; the rest is in the list of versions. */
const newestVersions = 20;

export function addWorkflowRoutes(app: ApiServer, parts: ApiParts): void {
  const catalogOf = () => required(parts.catalog, 'a database: its workflows are those of its files');
  addReading(app, catalogOf);
  addDrafts(app, catalogOf);
  addPublishing(app, catalogOf);
  addTakingBack(app, catalogOf);
}

type CatalogOf = () => NonNullable<ApiParts['catalog']>;

function addReading(app: ApiServer, catalogOf: CatalogOf): void {
  app.get(
    path,
    {
      schema: {
        operationId: 'listWorkflows',
        tags,
        summary: 'Workflows, by name',
        querystring: workflowListQuery,
        response: { 200: workflowPageSchema, ...problems('invalid_input', 'not_available') },
      },
    },
    async (request) => {
      const { items, nextCursor } = await catalogOf().list(request.query);
      return { items: items.map(workflowSummaryView), nextCursor };
    },
  );

  app.get(
    `${path}/:name`,
    {
      schema: {
        operationId: 'getWorkflow',
        tags,
        summary: 'A workflow: its published definition, triggers, what it uses, its newest versions',
        params: workflowParams,
        response: { 200: workflowSchema, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request) => {
      const { name } = request.params;
      const catalog = catalogOf();
      const workflow = await catalog.get(name);
      const { published, versionCount } = workflow;
      const version = published === null ? null : await catalog.version(name, published.version);
      const versions = versionCount === 0 ? [] : await catalog.versions(name, null, newestVersions);
      return workflowView(workflow, version?.definitionText ?? null, versions);
    },
  );
}

function addDrafts(app: ApiServer, catalogOf: CatalogOf): void {
  app.get(
    `${path}/:name/draft`,
    {
      schema: {
        operationId: 'getDraft',
        tags,
        summary: 'The draft, as it was put, with its mistakes',
        params: workflowParams,
        response: { 200: draftSchema, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request) => {
      const { name } = request.params;
      const { definitionText, files, updatedAt, findings } = await catalogOf().draft(name);
      return {
        name,
        updatedAt: updatedAt.toISOString(),
        definition: definitionText,
        files,
        isValid: findings.length === 0,
        errors: findingItems(findings),
      };
    },
  );

  app.put(
    `${path}/:name/draft`,
    {
      schema: {
        operationId: 'putDraft',
        tags,
        summary: 'Put a draft',
        description:
          'It replaces the draft that is there; nothing is published. One with mistakes is refused with all of them, or with `incomplete=true` kept all the same.',
        params: workflowParams,
        querystring: draftQuery,
        body: draftBody,
        response: {
          200: draftKeptSchema,
          201: draftKeptSchema.describe('The workflow came into being with it'),
          ...problems(
            'invalid_input',
            'bad_body',
            'body_too_large',
            'unsupported_media_type',
            'invalid_workflow',
            'not_available',
          ),
        },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const { definition, files } = request.body;
      const incomplete = request.query.incomplete === 'true';
      const { isCreated, updatedAt, findings } = await catalogOf().putDraft(
        name,
        sourceOf(definition, files),
        incomplete,
      );
      if (updatedAt === null) throw new RequestRefused(invalidWorkflow(findings));
      reply.code(isCreated ? 201 : 200);
      return {
        name,
        updatedAt: updatedAt.toISOString(),
        isValid: findings.length === 0,
        errors: findingItems(findings),
      };
    },
  );

  app.delete(
    `${path}/:name/draft`,
    {
      schema: {
        operationId: 'deleteDraft',
        tags,
        summary: 'Throw the draft away',
        params: workflowParams,
        response: { 204: noContent, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request, reply) => {
      await catalogOf().deleteDraft(request.params.name);
      reply.code(204);
      return null;
    },
  );
}

function addPublishing(app: ApiServer, catalogOf: CatalogOf): void {
  const refusals = problems(
    'invalid_input',
    'bad_body',
    'not_found',
    'conflict',
    'body_too_large',
    'unsupported_media_type',
    'invalid_workflow',
    'not_available',
  );

  app.post(
    `${path}/:name/publish`,
    {
      schema: {
        operationId: 'publishWorkflow',
        tags,
        summary: 'Publish the draft, or the definition in the body',
        description:
          'It becomes the next version, unless it is what is published already. From then on every gateway starts executions with it; those that are running keep their version. Where its routes are those of another workflow, that one keeps them and this one is refused.',
        params: workflowParams,
        body: publishBody,
        response: { 200: publishedSchema, ...refusals },
      },
    },
    async (request) => {
      const { name } = request.params;
      const { definition, files = {}, origin = null } = request.body ?? {};
      const source = definition === undefined ? null : sourceOf(definition, files);
      const done = await catalogOf().publish(name, source, origin);
      if (!done.ok) throw new RequestRefused(publishingProblem(name, done));
      return { name, version: done.version, isChanged: done.isChanged };
    },
  );

  app.post(
    `${path}/:name/rollback`,
    {
      schema: {
        operationId: 'rollBackWorkflow',
        tags,
        summary: 'Publish the content of an older version, as the newest one',
        params: workflowParams,
        body: rollbackBody,
        response: { 200: publishedSchema, ...refusals },
      },
    },
    async (request) => {
      const { name } = request.params;
      const done = await catalogOf().rollBack(name, request.body.version);
      if (!done.ok) throw new RequestRefused(publishingProblem(name, done));
      return { name, version: done.version, isChanged: done.isChanged };
    },
  );

  app.post(
    path,
    {
      schema: {
        operationId: 'publishWorkflows',
        tags,
        summary: 'Publish many workflows at once',
        description:
          'Those that are right are published together, in one step; those with mistakes or with routes of others are left out and named. With `prune`, what has the origin and is not among them is archived in the same step; a workflow that is among them and has mistakes stays as it is.',
        body: batchBody,
        response: {
          200: batchSchema,
          ...problems('invalid_input', 'bad_body', 'body_too_large', 'unsupported_media_type', 'not_available'),
        },
      },
    },
    async (request) => {
      const { workflows, origin, prune, dryRun } = request.body;
      const sources = workflows.map(({ definition, files, file = null }) => ({
        ...sourceOf(definition, files),
        label: file,
      }));
      const options = { prune, dryRun, ...(origin === undefined ? {} : { origin }) };
      return batchView(await catalogOf().publishBatch(sources, options));
    },
  );
}

function addTakingBack(app: ApiServer, catalogOf: CatalogOf): void {
  const response = { 204: noContent, ...problems('invalid_input', 'not_found', 'not_available') };

  app.post(
    `${path}/:name/unpublish`,
    {
      schema: {
        operationId: 'unpublishWorkflow',
        tags,
        summary: 'Let a workflow answer no more',
        description: 'Its versions stay, and any of them can be published again. Executions that are running go on.',
        params: workflowParams,
        response,
      },
    },
    async (request, reply) => {
      await catalogOf().unpublish(request.params.name);
      reply.code(204);
      return null;
    },
  );

  app.delete(
    `${path}/:name`,
    {
      schema: {
        operationId: 'archiveWorkflow',
        tags,
        summary: 'Take a workflow out of use',
        description:
          'It answers no more, is left out of lists, and loses its draft. Its versions are kept, because executions name them; publishing it again brings it back.',
        params: workflowParams,
        response,
      },
    },
    async (request, reply) => {
      await catalogOf().archive(request.params.name);
      reply.code(204);
      return null;
    },
  );
}
