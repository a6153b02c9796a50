/** Everything that is not a workflow's own address: health, metrics and the API for operators, on Fastify. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { z } from 'zod';
import type { ActiveWorkflow } from '../engine/port.ts';
import { NflowError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { effectHeader } from '../protocol/effect-header.ts';
import type { History } from '../store/port.ts';
import { workflowNameExpected, workflowNamePattern } from '../workflow/names.ts';
import { executionSummaryView, executionView } from './execution-view.ts';
import { isLocalHostHeader } from './loopback.ts';
import { NodeTypes } from './node-types.ts';
import {
  isRetryable,
  type Problem,
  type ProblemItem,
  problemText,
  problemType,
  refusal,
  retryAfterSeconds,
} from './problem.ts';
import { requestIdHeader } from './write-answer.ts';

/** What the API shows of the workflows. */
export interface WorkflowDirectory {
  /** Those that are published, by name. */
  list(): readonly ActiveWorkflow[];
  /** The definition of a version, also of one that is no longer published; null when there is none. */
  version(versionId: number): Promise<{ definitionText: string } | null>;
}

export interface Readiness {
  ready: boolean;
  /** Why not, each for a person. */
  reasons: string[];
}

export interface AdministrationOptions {
  /** Null without a store. */
  history: History | null;
  workflows: WorkflowDirectory;
  metrics: Metrics;
  readiness: () => Readiness;
  log: Log;
  version: string;
  /** True while only this machine can reach the server: administration and `/metrics` are answered. */
  isPrivate: boolean;
}

export type RequestListener = (req: IncomingMessage, res: ServerResponse) => void;

const statuses = ['running', 'waiting', 'succeeded', 'failed', 'timed_out', 'cancelled', 'crashed'] as const;

const executionListQuery = z.strictObject({
  workflow: z.string().regex(workflowNamePattern, workflowNameExpected).optional(),
  status: z.enum(statuses).optional(),
  cursor: z.string().min(1).max(500).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});

const executionParams = z.strictObject({
  id: z
    .string()
    .regex(
      /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{8})$/i,
      'an id, or its last 8 characters',
    ),
});

/** Thrown inside routes: what was wrong with a request, for the answer. */
class RequestRefused extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The value that the schema makes of untrusted data. Throws RequestRefused that names each wrong part. */
function parseRequest<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue): ProblemItem => {
    const path = issue.code === 'unrecognized_keys' ? issue.keys : issue.path;
    const value = issue.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], data);
    return {
      pointer: `/${path.join('/')}`,
      got: (JSON.stringify(issue.code === 'unrecognized_keys' ? issue.keys : value) ?? 'nothing').slice(0, 200),
      expected: issue.message,
    };
  });
  throw new RequestRefused(
    refusal('invalid_input', 'The request has parts that this address does not accept.', errors),
  );
}

/** `createHttpServer` makes the server around Fastify's listener, which answers only what it is given. */
export function createAdministration(
  options: AdministrationOptions,
  createHttpServer: (administration: RequestListener) => Server,
  onConnectionError: (error: Error, socket: Socket) => void,
): FastifyInstance {
  const app = fastify({
    serverFactory: (listener) => createHttpServer((req, res) => listener(req, res)),
    clientErrorHandler: onConnectionError,
    genReqId: () => randomUUID(),
    // Errors before any route is known, such as an address that cannot be decoded.
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, problemFromError(error, options.log)),
    routerOptions: { ignoreTrailingSlash: true },
    exposeHeadRoutes: true,
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ [requestIdHeader]: request.id, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  app.addHook('onResponse', async (_request, reply) => options.metrics.onHttpAnswer(reply.statusCode));
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, refusal('not_found')));
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, problemFromError(error, options.log)));
  addHealth(app, options);
  app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => assertPrivate(request, options.isPrivate));
    addMetrics(guarded, options);
    addExecutions(guarded, options);
    addWorkflows(guarded, options);
  });
  return app;
}

function assertPrivate(request: FastifyRequest, isPrivate: boolean): void {
  if (!isPrivate) throw new RequestRefused(refusal('not_found'));
  if (request.headers[effectHeader] !== undefined) {
    throw new RequestRefused(refusal('forbidden', 'Administration is not answered to workflows.'));
  }
  if (!isLocalHostHeader(request.headers.host)) {
    const detail = 'Administration is answered under the names localhost, 127.0.0.1 and [::1] only.';
    throw new RequestRefused(refusal('forbidden', detail));
  }
}

function problemFromError(error: unknown, log: Log): Problem {
  if (error instanceof RequestRefused) return error.problem;
  if (error instanceof NflowError) {
    // These come from nFlow's own parts, not from user code: their words are for the operator.
    return { ...refusal(error.code, error.message), status: error.status };
  }
  if (error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500) {
    return refusal('invalid_input', 'The request is not what this address accepts.');
  }
  log.error({ error }, 'an administration request failed');
  return refusal('internal_error');
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  if (isRetryable(problem.code)) reply.header('retry-after', retryAfterSeconds);
  // As bytes: to texts Fastify adds a charset, and this type has none.
  reply.code(problem.status).header('content-type', problemType).header(requestIdHeader, request.id);
  reply.send(Buffer.from(problemText({ ...problem, requestId: request.id })));
}

function addHealth(app: FastifyInstance, options: AdministrationOptions): void {
  app.get('/health', async () => ({ status: 'live', version: options.version }));
  app.get('/ready', async (_request, reply) => {
    const { ready, reasons } = options.readiness();
    if (!ready) reply.code(503).header('retry-after', retryAfterSeconds);
    return { status: ready ? 'ready' : 'not ready', reasons };
  });
}

function addMetrics(app: FastifyInstance, options: AdministrationOptions): void {
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await options.metrics.expose();
    return reply.header('content-type', contentType).send(text);
  });
}

function addExecutions(app: FastifyInstance, options: AdministrationOptions): void {
  const nodeTypes = new NodeTypes((versionId) => options.workflows.version(versionId));
  const historyOf = (): History => {
    if (options.history !== null) return options.history;
    throw new RequestRefused(refusal('not_available', 'This server runs without a database: it keeps no history.'));
  };
  app.get('/nflow/api/v1/executions', async (request) => {
    const filter = parseRequest(executionListQuery, request.query);
    const { items, nextCursor } = await historyOf().list(filter);
    return { items: items.map(executionSummaryView), nextCursor };
  });
  app.get('/nflow/api/v1/executions/:id', async (request) => {
    const { id } = parseRequest(executionParams, request.params);
    const stored = await historyOf().get(id.toLowerCase());
    if (stored === null) throw new RequestRefused(refusal('not_found', `There is no execution ${id}.`));
    return executionView(stored, await nodeTypes.of(stored.versionId));
  });
}

function addWorkflows(app: FastifyInstance, options: AdministrationOptions): void {
  app.get('/nflow/api/v1/workflows', async () => ({
    items: options.workflows.list().map(({ version, compiled }) => ({
      name: compiled.name,
      version,
      description: compiled.description,
      durability: compiled.durability,
      triggers: compiled.triggers.map((trigger) =>
        trigger.type === 'http' ? { type: 'http', method: trigger.method, path: trigger.path } : { type: trigger.type },
      ),
    })),
    nextCursor: null,
  }));
}
