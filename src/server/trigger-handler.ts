/**
 * The hot path: requests to the addresses of workflows. One request goes through `handle` (route, limits), the collecting of its
 * body, `#start` (input, engine) and `#answer`. It does not pass Fastify: a framework's hooks would cost more than the rest.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/config.ts';
import type { ActiveWorkflow, Answer, Engine } from '../engine/port.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import type { RouteMatch, RouteTable } from '../workflow/routes.ts';
import type { Admission } from './admission.ts';
import { flattenHeaders } from './answer-headers.ts';
import { type Connection, connectionOf } from './connection.ts';
import { type BodyKind, bodyKindOf, isActiveContent, isJsonType } from './media-type.ts';
import { type Problem, problemOf, refusal } from './problem.ts';
import { InputPlan } from './trigger-input.ts';
import { executionIdHeader, type ProblemOptions, writeBytes, writeEmpty, writeProblem } from './write-answer.ts';

/** What a request holds beside its body: objects of the request, the socket's share, the input. An estimate, in bytes. */
const requestOverhead = 4096;
/** Bytes of an answer that count as held from here on: smaller ones are gone with the write. */
const countedAnswerSizeMin = 64 * 1024;
const htmlPolicy = 'sandbox allow-scripts allow-forms allow-popups';
const respondAsyncPattern = /(^|[\s,;])respond-async($|[\s,;=])/i;

type Route = Extract<RouteMatch<ActiveWorkflow>, { target: ActiveWorkflow }>;

export interface TriggerHandlerOptions {
  limits: Config['server'];
  engine: Engine;
  /** The table of this moment: it is replaced when workflows are published. */
  routes: () => RouteTable<ActiveWorkflow>;
  admission: Admission;
  metrics: Metrics;
  log: Log;
}

type Phase = 'collecting' | 'running' | 'answered';

/** One request and its answer. collecting → running → answered; a refusal goes from collecting to answered. */
class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly route: Route;
  readonly path: string;
  readonly query: string;
  readonly connection: Connection;
  phase: Phase = 'collecting';
  bodyKind: BodyKind = 'binary';
  firstChunk: Buffer | null = null;
  chunks: Buffer[] | null = null;
  receivedBytes = 0;
  /** Taken from the admission, given back when the answer is closed. */
  reservedBytes = 0;
  leave: (() => void) | null = null;

  constructor(req: IncomingMessage, res: ServerResponse, route: Route, path: string, query: string) {
    this.req = req;
    this.res = res;
    this.route = route;
    this.path = path;
    this.query = query;
    this.connection = connectionOf(req.socket);
  }

  takeBody(): Buffer | null {
    const body = this.chunks === null ? this.firstChunk : Buffer.concat(this.chunks, this.receivedBytes);
    this.firstChunk = null;
    this.chunks = null;
    return body;
  }
}

export class TriggerHandler {
  readonly #options: TriggerHandlerOptions;
  readonly #plans = new WeakMap<HttpTrigger, InputPlan>();
  #draining = false;
  #open = 0;
  #onIdle: (() => void) | null = null;

  constructor(options: TriggerHandlerOptions) {
    this.#options = options;
  }

  /** Requests whose answer is not finished. */
  get open(): number {
    return this.#open;
  }

  /** From now on requests are refused with 503 `draining`; calls `onIdle` when those under way are answered. */
  drain(onIdle: () => void): void {
    this.#draining = true;
    this.#onIdle = onIdle;
    if (this.#open === 0) onIdle();
  }

  /** `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
  handle(req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void {
    const url = req.url as string;
    const question = url.indexOf('?');
    const path = question === -1 ? url : url.slice(0, question);
    if (this.#draining) {
      this.#refuse(req, res, refusal('draining'), { close: true });
      return;
    }
    const route = this.#options.routes().find(req.method as string, path);
    if (route === null || !('target' in route)) {
      this.#refuseRoute(req, res, route);
      return;
    }
    const exchange = new Exchange(req, res, route, path, question === -1 ? '' : url.slice(question + 1));
    const { headers } = req;
    const length = headers['content-length'];
    const hasBody = (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
    const announcedBytes = length === undefined ? 0 : Number(length);
    if (hasBody) exchange.bodyKind = bodyKindOf(headers['content-type']);
    const problem = refusedByHeaders(req) ?? (hasBody ? this.#refusedBody(exchange.bodyKind, announcedBytes) : null);
    if (problem !== null) {
      this.#refuse(req, res, problem);
      return;
    }
    if (!this.#begin(exchange, announcedBytes)) return;
    if (!hasBody) {
      this.#start(exchange);
      return;
    }
    if (expectsContinue) res.writeContinue();
    this.#collect(exchange);
  }

  #refuseRoute(
    req: IncomingMessage,
    res: ServerResponse,
    route: { allow: string[] } | { malformed: true } | null,
  ): void {
    if (route === null) {
      this.#refuse(req, res, refusal('not_found'));
    } else if ('allow' in route) {
      this.#refuse(req, res, refusal('method_not_allowed'), { allow: route.allow });
    } else {
      const detail = 'The path has a percent sign without two hex digits of UTF-8 after it.';
      this.#refuse(req, res, refusal('invalid_input', detail));
    }
  }

  #refusedBody(kind: BodyKind, announcedBytes: number): Problem | null {
    const { bodySizeMax } = this.#options.limits;
    if (announcedBytes > bodySizeMax) return tooLarge(`${announcedBytes} bytes`, bodySizeMax);
    if (kind === 'multipart')
      return refusal('unsupported_media_type', 'Multipart bodies are not available in this version.');
    if (kind === 'other-charset') return refusal('unsupported_media_type', 'The body must be in UTF-8.');
    return null;
  }

  /** Takes the request in, or refuses it because the server holds as much as it may. */
  #begin(exchange: Exchange, announcedBytes: number): boolean {
    const { req, res, connection } = exchange;
    const bytes = requestOverhead + announcedBytes;
    if (!this.#options.admission.reserve(bytes)) {
      this.#refuse(req, res, refusal('queue_full'));
      return false;
    }
    exchange.reservedBytes = bytes;
    connection.answersOpen++;
    this.#open++;
    res.on('close', () => this.#close(exchange));
    return true;
  }

  #collect(exchange: Exchange): void {
    const { req, connection } = exchange;
    connection.isCollecting = true;
    req.on('data', (chunk: Buffer) => this.#takeChunk(exchange, chunk));
    req.on('end', () => {
      connection.isCollecting = false;
      if (exchange.phase === 'collecting') this.#start(exchange);
    });
  }

  #takeChunk(exchange: Exchange, chunk: Buffer): void {
    if (exchange.phase !== 'collecting') return;
    const { bodySizeMax } = this.#options.limits;
    exchange.receivedBytes += chunk.length;
    if (exchange.receivedBytes > bodySizeMax) {
      this.#end(exchange, tooLarge(`more than ${bodySizeMax} bytes`, bodySizeMax));
      return;
    }
    // A body of announced length was reserved as a whole; one in chunks is as it comes.
    const missing = requestOverhead + exchange.receivedBytes - exchange.reservedBytes;
    if (missing > 0) {
      if (!this.#options.admission.reserve(missing)) {
        this.#end(exchange, refusal('queue_full'));
        return;
      }
      exchange.reservedBytes += missing;
    }
    if (exchange.firstChunk === null) {
      exchange.firstChunk = chunk;
    } else {
      exchange.chunks ??= [exchange.firstChunk];
      exchange.chunks.push(chunk);
    }
  }

  /** The request is whole: builds the input and hands it to the engine. */
  #start(exchange: Exchange): void {
    const { req, route } = exchange;
    const input = this.#planOf(route.trigger).build({
      method: req.method as string,
      path: exchange.path,
      query: exchange.query,
      params: route.params,
      headers: req.headers,
      body: exchange.takeBody(),
      bodyKind: exchange.bodyKind,
    });
    if ('code' in input) {
      this.#end(exchange, input);
      return;
    }
    exchange.phase = 'running';
    try {
      exchange.leave = this.#options.engine.execute(
        {
          workflow: route.target,
          trigger: 'http',
          inputJson: input.inputJson,
          body: input.body,
          receivedMs: performance.now(),
        },
        (answer) => this.#answer(exchange, answer),
      );
    } catch (error) {
      this.#options.log.error({ error, workflow: route.target.compiled.name }, 'the engine did not take a request');
      if (exchange.phase === 'running') this.#end(exchange, refusal('internal_error'));
    }
  }

  #planOf(trigger: HttpTrigger): InputPlan {
    let plan = this.#plans.get(trigger);
    if (plan === undefined) {
      plan = new InputPlan(trigger, this.#options.limits);
      this.#plans.set(trigger, plan);
    }
    return plan;
  }

  #answer(exchange: Exchange, answer: Answer): void {
    if (exchange.phase !== 'running') return;
    const { executionId, error } = answer;
    if (error !== null) {
      if (error.code === 'internal_error')
        this.#options.log.error({ error, executionId }, 'an execution failed within nFlow');
      this.#end(exchange, problemOf(error, executionId));
      return;
    }
    try {
      this.#writeAnswer(exchange, answer);
    } catch (error) {
      // The engine checks what a workflow sets, so this is a defect of nFlow; it must not cost the process.
      this.#options.log.error({ error, executionId }, 'an answer could not be written');
      if (exchange.res.headersSent) exchange.res.destroy();
      else this.#end(exchange, { ...refusal('internal_error'), executionId });
    }
  }

  #writeAnswer(exchange: Exchange, answer: Answer): void {
    const { res, route } = exchange;
    const { admission, metrics } = this.#options;
    const chosen = answer.headers === null ? null : flattenHeaders(answer.headers);
    const headers = chosen?.flat ?? [];
    const contentType = chosen?.contentType ?? 'application/json';
    if (chosen?.contentType != null) {
      headers.push('x-content-type-options', 'nosniff');
      if (route.trigger.sandboxHtml && isActiveContent(contentType))
        headers.push('content-security-policy', htmlPolicy);
    }
    if (answer.executionId !== null) headers.push(executionIdHeader, answer.executionId);
    if (this.#draining) headers.push('connection', 'close');
    if (answer.body === null || answer.status === 204 || answer.status === 304) {
      writeEmpty(res, answer.status, headers);
    } else {
      headers.push('content-type', contentType);
      const body = contentType === 'application/json' || isJsonType(contentType) ? answer.body : textOf(answer.body);
      if (body.length >= countedAnswerSizeMin) {
        admission.add(body.length);
        exchange.reservedBytes += body.length;
      }
      writeBytes(res, answer.status, headers, body);
    }
    exchange.phase = 'answered';
    metrics.onHttpAnswer(answer.status);
  }

  /** Ends a request that was taken in with a problem. */
  #end(exchange: Exchange, problem: Problem): void {
    exchange.phase = 'answered';
    exchange.firstChunk = null;
    exchange.chunks = null;
    this.#refuse(exchange.req, exchange.res, problem, { close: this.#draining });
  }

  #refuse(req: IncomingMessage, res: ServerResponse, problem: Problem, options?: ProblemOptions): void {
    const { metrics } = this.#options;
    metrics.onHttpAnswer(problem.status);
    if (problem.executionId === null) metrics.onRejected(problem.code);
    writeProblem(req, res, problem, options);
  }

  /** The answer is finished, or the client has left. */
  #close(exchange: Exchange): void {
    const { phase, connection } = exchange;
    exchange.phase = 'answered';
    exchange.firstChunk = null;
    exchange.chunks = null;
    connection.answersOpen--;
    if (phase === 'collecting') connection.isCollecting = false;
    this.#options.admission.release(exchange.reservedBytes);
    exchange.reservedBytes = 0;
    this.#open--;
    if (phase === 'running') exchange.leave?.();
    if (this.#open === 0) this.#onIdle?.();
  }
}

function tooLarge(got: string, bodySizeMax: number): Problem {
  return refusal('body_too_large', `The body has ${got}; this server accepts ${bodySizeMax}.`);
}

/** What a request asks for in its headers that does not exist: silence would be worse than the refusal. */
function refusedByHeaders(req: IncomingMessage): Problem | null {
  const { headers } = req;
  if (headers.prefer !== undefined && respondAsyncPattern.test(String(headers.prefer))) {
    return refusal(
      'not_available',
      '`Prefer: respond-async` is not available in this version. Send the request without it.',
    );
  }
  if (headers['idempotency-key'] !== undefined) {
    const detail =
      '`Idempotency-Key` is not available in this version: a repeated request would run again. Send it without.';
    return refusal('not_available', detail);
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return refusal(
      'unsupported_media_type',
      'Bodies with a Content-Encoding are not accepted. Send the body as it is.',
    );
  }
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') {
    return refusal('unsupported_media_type', 'The only Transfer-Encoding that is accepted is chunked.');
  }
  return null;
}

/** A JSON string, under a content type that is not JSON, is meant as the text itself. */
function textOf(body: Uint8Array): Uint8Array {
  if (body[0] !== 0x22) return body;
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
    return typeof value === 'string' ? Buffer.from(value) : body;
  } catch {
    return body;
  }
}
