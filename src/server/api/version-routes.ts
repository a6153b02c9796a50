import { NflowError } from '../../errors.ts';
import { type ApiServer, apiPath, problems } from './api-server.ts';
import { type ApiParts, required } from './parts.ts';
import {
  diffQuery,
  diffSchema,
  versionListQuery,
  versionPageSchema,
  versionParams,
  versionSchema,
  workflowParams,
} from './schemas/workflow-schemas.ts';
import { versionSummaryView, versionView } from './workflow-view.ts';

const tags = ['versions'];
const path = `${apiPath}/workflows/:name`;

export function addVersionRoutes(app: ApiServer, parts: ApiParts): void {
  const catalogOf = () => required(parts.catalog, 'a database: it keeps no versions');

  app.get(
    `${path}/versions`,
    {
      schema: {
        operationId: 'listVersions',
        tags,
        summary: 'Versions of a workflow, newest first',
        params: workflowParams,
        querystring: versionListQuery,
        response: { 200: versionPageSchema, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request) => {
      const { cursor, limit } = request.query;
      const before = cursor === undefined ? null : parseCursor(cursor);
      const found = await catalogOf().versions(request.params.name, before, limit + 1);
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(versionSummaryView),
        nextCursor: found.length > limit && last !== undefined ? makeCursor(last.version) : null,
      };
    },
  );

  app.get(
    `${path}/versions/:version`,
    {
      schema: {
        operationId: 'getVersion',
        tags,
        summary: 'A version with its content',
        params: versionParams,
        response: { 200: versionSchema, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request) => {
      const { name, version } = request.params;
      return versionView(name, await catalogOf().version(name, version));
    },
  );

  app.get(
    `${path}/diff`,
    {
      schema: {
        operationId: 'diffVersions',
        tags,
        summary: 'What is different between two versions, what is published and the draft',
        params: workflowParams,
        querystring: diffQuery,
        response: { 200: diffSchema, ...problems('invalid_input', 'not_found', 'invalid_workflow', 'not_available') },
      },
    },
    async (request) => {
      const { from, to = 'published' } = request.query;
      return catalogOf().diff(request.params.name, from, to);
    },
  );
}

function makeCursor(version: number): string {
  return Buffer.from(`version ${version}`).toString('base64url');
}

function parseCursor(cursor: string): number {
  const found = /^version ([1-9]\d{0,8})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (found !== null) return Number(found[1]);
  throw new NflowError('invalid_input', 'The cursor is not one of ours.', {
    pointer: '/cursor',
    got: cursor.slice(0, 80),
    expected: 'nextCursor of the page before',
  });
}
