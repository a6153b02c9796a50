/** Everything that is not a workflow's own address: health, metrics and the API for operators, on Fastify. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { NflowError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { type AdminDoor, guardRoutes } from './access.ts';
import { addApi } from './api/api.ts';
import { adminBodySizeMax } from './api/json-body.ts';
import { KnownRoutes } from './api/known-routes.ts';
import type { ApiParts } from './api/parts.ts';
import { requestIdHeader } from './composed-answer.ts';
import { isRetryable, type Problem, problemText, problemType, refusal, retryAfterSeconds } from './problem.ts';
import { RequestRefused } from './request-refused.ts';
import { securityHeaders } from './security-headers.ts';

export interface Readiness {
  ready: boolean;
  /** Why not, each for a person. */
  reasons: string[];
}

export interface AdministrationOptions {
  api: ApiParts;
  metrics: Metrics;
  readiness: () => Readiness;
  log: Log;
  version: string;
  /** Null where only health and readiness are answered: administration has a port of its own. */
  door: AdminDoor | null;
  /** Answers of the API are checked against what is documented; one that differs becomes an internal error. */
  checkAnswers: boolean;
}

export type RequestListener = (req: IncomingMessage, res: ServerResponse) => void;

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
    frameworkErrors: (error, request, reply) => sendError(request, reply, error, options),
    routerOptions: { ignoreTrailingSlash: true },
    exposeHeadRoutes: true,
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders).header(requestIdHeader, request.id);
  });
  app.addHook('onResponse', async (_request, reply) => options.metrics.onHttpAnswer(reply.statusCode));
  const known = new KnownRoutes(app);
  // Before a body is looked at, which nobody would take.
  app.addHook('onRequest', async (request) => {
    if (request.is404) throw nothingThere(known.methodsOf(request.url));
  });
  app.setErrorHandler((error, request, reply) => sendError(request, reply, error, options));
  guardRoutes(app, options.door);
  addHealth(app, options);
  if (options.door !== null) {
    addMetrics(app, options);
    addApi(app, options.api, options.checkAnswers);
  }
  return app;
}

function nothingThere(allow: string | null): RequestRefused {
  return allow === null
    ? new RequestRefused(refusal('not_found', 'Nothing answers at this address.'))
    : new RequestRefused(refusal('method_not_allowed'), { allow });
}

function problemFromError(error: unknown, log: Log): Problem {
  if (error instanceof RequestRefused) return error.problem;
  if (error instanceof NflowError) {
    // These come from nFlow's own parts, not from user code: their words are for the operator.
    const { pointer, got, expected } = error.details;
    const items = got !== undefined && expected !== undefined ? [{ pointer: pointer ?? '', got, expected }] : [];
    return { ...refusal(error.code, error.message, items), status: error.status };
  }
  if (error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500) {
    return refusedByFastify(error);
  }
  log.error({ error }, 'an administration request failed');
  return refusal('internal_error');
}

/** What Fastify itself refuses before a route sees it. */
function refusedByFastify(error: Error): Problem {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refusal('unsupported_media_type', 'The body must be JSON: send it with `content-type: application/json`.');
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refusal('body_too_large', `The body is larger than the ${adminBodySizeMax} bytes that are accepted here.`);
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return refusal('bad_body', 'The body is not as long as content-length says.');
    default:
      return refusal('invalid_input', 'The request is not what this address accepts.');
  }
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: unknown, options: AdministrationOptions): void {
  const { log, door } = options;
  const problem = problemFromError(error, log);
  if (error instanceof RequestRefused) {
    reply.headers(error.headers);
    // Without the query: people put tokens there.
    const { method, routeOptions } = request;
    const fields = { client: door?.proxies.clientOf(request.raw), method, route: routeOptions.url, code: problem.code };
    if (problem.code === 'unauthorized' || problem.code === 'forbidden') log.warn(fields, 'administration was refused');
  }
  sendProblem(request, reply, problem);
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
