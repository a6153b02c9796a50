import { executionSummaryView, executionView } from '../execution-view.ts';
import { NodeTypes } from '../node-types.ts';
import { refusal } from '../problem.ts';
import { RequestRefused } from '../request-refused.ts';
import { type ApiServer, apiPath, noContent, problems } from './api-server.ts';
import { ExecutionStreams } from './execution-stream.ts';
import { type ApiParts, required } from './parts.ts';
import {
  eventsQuery,
  executionListQuery,
  executionPageSchema,
  executionParams,
  executionSchema,
  holdBody,
  holdParams,
} from './schemas/execution-schemas.ts';

const tags = ['executions'];

type HistoryOf = () => NonNullable<ApiParts['history']>;

export function addExecutionRoutes(app: ApiServer, parts: ApiParts): void {
  const historyOf = () => required(parts.history, 'a database: it keeps no history');
  addReading(app, parts, historyOf);
  addHolding(app, historyOf);
  addStream(app, parts);
}

function addReading(app: ApiServer, parts: ApiParts, historyOf: HistoryOf): void {
  const nodeTypes = new NodeTypes(parts.definitionOf);

  app.get(
    `${apiPath}/executions`,
    {
      schema: {
        operationId: 'listExecutions',
        tags,
        summary: 'Search executions, newest first',
        description:
          'A page looks through a bounded number of executions: it may hold fewer items than asked for, or none, and still have a nextCursor.',
        querystring: executionListQuery,
        response: { 200: executionPageSchema, ...problems('invalid_input', 'not_available') },
      },
    },
    async (request) => {
      const { from, to, ...filter } = request.query;
      const { items, nextCursor } = await historyOf().list({
        ...filter,
        ...(from === undefined ? {} : { createdFromMs: searchedMs(from) }),
        ...(to === undefined ? {} : { createdBeforeMs: searchedMs(to) }),
      });
      return { items: items.map(executionSummaryView), nextCursor };
    },
  );

  app.get(
    `${apiPath}/executions/:id`,
    {
      schema: {
        operationId: 'getExecution',
        tags,
        summary: 'One execution with its steps',
        description:
          'By its id, or by the last 8 characters of it. Several that end so are a conflict, which names them.',
        params: executionParams,
        response: { 200: executionSchema, ...problems('invalid_input', 'not_found', 'conflict', 'not_available') },
      },
    },
    async (request) => {
      const { id } = request.params;
      const stored = await historyOf().get(id.toLowerCase());
      if (stored === null) throw noExecution(id);
      return executionView(stored, await nodeTypes.of(stored.versionId));
    },
  );
}

/** Nothing was created before 1970: an earlier time finds what that one finds. */
function searchedMs(time: string): number {
  return Math.max(0, Date.parse(time));
}

function addHolding(app: ApiServer, historyOf: HistoryOf): void {
  app.put(
    `${apiPath}/executions/:id/hold`,
    {
      schema: {
        operationId: 'holdExecution',
        tags,
        summary: 'Keep an execution past the retention of its class',
        description: 'Until a time, or until it is released. A second hold replaces the first.',
        params: holdParams,
        body: holdBody,
        response: {
          204: noContent,
          ...problems(
            'invalid_input',
            'bad_body',
            'not_found',
            'body_too_large',
            'unsupported_media_type',
            'not_available',
          ),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const until = request.body?.until;
      const isHeld = await historyOf().hold(id.toLowerCase(), until === undefined ? null : Date.parse(until));
      if (!isHeld) throw noExecution(id);
      reply.code(204);
      return null;
    },
  );

  app.delete(
    `${apiPath}/executions/:id/hold`,
    {
      schema: {
        operationId: 'releaseExecution',
        tags,
        summary: 'End a hold: the execution goes with its class',
        params: holdParams,
        response: { 204: noContent, ...problems('invalid_input', 'not_found', 'not_available') },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (!(await historyOf().release(id.toLowerCase()))) {
        throw new RequestRefused(refusal('not_found', `The execution ${id} is not held.`));
      }
      reply.code(204);
      return null;
    },
  );
}

function noExecution(id: string): RequestRefused {
  return new RequestRefused(refusal('not_found', `There is no execution ${id}.`));
}

function addStream(app: ApiServer, parts: ApiParts): void {
  const streams = new ExecutionStreams(parts.stopping);
  app.get(
    `${apiPath}/executions/events`,
    {
      exposeHeadRoute: false,
      schema: {
        operationId: 'followExecutions',
        tags,
        summary: 'Executions live, as server-sent events',
        description:
          'An event `execution` when one begins and when it ends; its data is an ExecutionEvent. They are those of the gateway that answers. A reader that is too slow gets an event `dropped`, and the stream ends.',
        querystring: eventsQuery,
        response: problems('invalid_input', 'too_many_requests', 'not_available'),
      },
    },
    (request, reply) => streams.open(request, reply, required(parts.events, 'an engine')),
  );
}
