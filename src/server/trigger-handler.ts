/**
 * The long way of requests to the addresses of workflows, on Node's HTTP server: those that are not plain (see plain-connection.ts),
 * with their bodies in pieces, their refusals, their odd headers. One request goes through `handle` (route, limits), the collecting of its
 * body, `#start` (input, engine) and `#answer`. It does not pass Fastify: a framework's hooks would cost more than the rest.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/config.ts';
import type { ActiveWorkflow, Answer, AnswerFile, Engine } from '../engine/port.ts';
import { FileFailure } from '../files/file-failure.ts';
import type { FileRoot } from '../files/file-root.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { effectHeader, isFirstSending } from '../protocol/effect-header.ts';
import type { UploadRules } from '../workflow/compiled.ts';
import type { RouteMatch, RouteTable } from '../workflow/routes.ts';
import type { Admission } from './admission.ts';
import { composeAnswer } from './composed-answer.ts';
import { type Connection, connectionOf } from './connection.ts';
import { besideCors, isPreflight } from './cors.ts';
import { openAnswerFile, writeFileAnswer } from './file-answer.ts';
import { type BodyKind, bodyKindOf } from './media-type.ts';
import { type Problem, problemOf, refusal } from './problem.ts';
import { requestOverhead } from './request-size.ts';
import type { InputPlans } from './trigger-input.ts';
import { receiveUpload, type Upload, UploadRefused, uploadMemory, uploadOverheadMax } from './upload.ts';
import { type ProblemOptions, writeBytes, writeEmpty, writeProblem } from './write-answer.ts';

/** Bytes of an answer that count as held from here on: smaller ones are gone with the write. */
const countedAnswerSizeMin = 64 * 1024;
const respondAsyncPattern = /(^|[\s,;])respond-async($|[\s,;=])/i;

type Route = Extract<RouteMatch<ActiveWorkflow>, { target: ActiveWorkflow }>;

export interface TriggerHandlerOptions {
  limits: Config['server'];
  engine: Engine;
  /** The table of this moment: it is replaced when workflows are published. */
  routes: () => RouteTable<ActiveWorkflow>;
  plans: InputPlans;
  admission: Admission;
  /** Null: workflows have no files. */
  files: FileRoot | null;
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
  /** The client has left, or was answered: a body that is still coming has no use. */
  readonly ending = new AbortController();
  upload: Upload | null = null;

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

  get isDraining(): boolean {
    return this.#draining;
  }

  /** A request was taken in, here or on the short way. */
  onOpened(): void {
    this.#open++;
  }

  /** Its answer has left, or its client. */
  onClosed(): void {
    this.#open--;
    if (this.#open === 0) this.#onIdle?.();
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
      if (!this.#answerPreflight(req, res, path)) this.#refuseRoute(req, res, route);
      return;
    }
    this.#options.plans.of(route.trigger).cors?.mark(req, res);
    const exchange = new Exchange(req, res, route, path, question === -1 ? '' : url.slice(question + 1));
    const { headers } = req;
    const length = headers['content-length'];
    const hasBody = (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
    const announcedBytes = length === undefined ? 0 : Number(length);
    if (hasBody) exchange.bodyKind = bodyKindOf(headers['content-type']);
    const isUpload = exchange.bodyKind === 'multipart' && isFormData(headers['content-type']);
    const uploads = isUpload && this.#options.files !== null ? route.trigger.uploads : undefined;
    const problem =
      refusedByHeaders(req) ??
      (uploads !== undefined ? refusedUpload(uploads, announcedBytes) : null) ??
      (hasBody && uploads === undefined ? this.#refusedBody(exchange.bodyKind, announcedBytes) : null);
    if (problem !== null) {
      this.#refuse(req, res, problem);
      return;
    }
    if (!this.#begin(exchange, uploads === undefined ? announcedBytes : uploadMemory)) return;
    if (!hasBody) {
      this.#start(exchange);
      return;
    }
    if (expectsContinue) res.writeContinue();
    if (uploads === undefined) this.#collect(exchange);
    else void this.#receive(exchange, uploads);
  }

  /** False when it is none, or when nothing allows pages of other origins here. */
  #answerPreflight(req: IncomingMessage, res: ServerResponse, path: string): boolean {
    if (!isPreflight(req)) return false;
    const { plans, metrics } = this.#options;
    const route = this.#options.routes().find(String(req.headers['access-control-request-method']), path);
    const cors = route !== null && 'target' in route ? plans.of(route.trigger).cors : null;
    if (cors === null) return false;
    if (cors.markPreflight(req, res)) {
      metrics.onHttpAnswer(204);
      writeEmpty(res, 204, []);
    } else {
      this.#refuse(req, res, refusal('forbidden', 'Pages of this origin may not use this address with that method.'));
    }
    return true;
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
      return refusal(
        'unsupported_media_type',
        'Multipart bodies are accepted as multipart/form-data, where the trigger says `uploads`.',
      );
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
    this.onOpened();
    res.on('close', () => this.#close(exchange));
    return true;
  }

  /** The body's files go to the disk; the input gets what is known of them. */
  async #receive(exchange: Exchange, rules: UploadRules): Promise<void> {
    const { req, route, connection } = exchange;
    connection.collecting = req;
    try {
      const area = await (this.#options.files as FileRoot).area('own', route.target.compiled.name);
      const upload = await receiveUpload(req, rules, area, exchange.ending.signal);
      connection.collecting = null;
      if (exchange.phase !== 'collecting') {
        await upload.discard();
        return;
      }
      exchange.upload = upload;
      exchange.firstChunk = upload.body;
      exchange.bodyKind = 'json';
      this.#start(exchange);
    } catch (error) {
      connection.collecting = null;
      if (exchange.phase !== 'collecting') return;
      if (!(error instanceof UploadRefused)) {
        this.#options.log.error({ error, workflow: route.target.compiled.name }, 'an upload could not be received');
      }
      this.#end(exchange, error instanceof UploadRefused ? error.problem : refusal('internal_error'));
    }
  }

  #collect(exchange: Exchange): void {
    const { req, connection } = exchange;
    connection.collecting = req;
    req.on('data', (chunk: Buffer) => this.#takeChunk(exchange, chunk));
    req.on('end', () => {
      connection.collecting = null;
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
    const input = this.#options.plans.of(route.trigger).build({
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

  #answer(exchange: Exchange, answer: Answer): void {
    if (exchange.phase !== 'running') return;
    const { executionId, error } = answer;
    // Nothing came of the request: nobody will look for its files.
    if (executionId === null) void exchange.upload?.discard();
    if (error !== null) {
      if (error.code === 'internal_error')
        this.#options.log.error({ error, executionId }, 'an execution failed within nFlow');
      this.#end(exchange, problemOf(error, executionId));
      return;
    }
    if (answer.file !== undefined) {
      void this.#answerFile(exchange, answer, answer.file);
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

  async #answerFile(exchange: Exchange, answer: Answer, named: AnswerFile): Promise<void> {
    const { req, res, route } = exchange;
    const { executionId } = answer;
    exchange.phase = 'answered';
    try {
      const file = await openAnswerFile(this.#options.files, named);
      const { cors } = this.#options.plans.of(route.trigger);
      this.#options.metrics.onHttpAnswer(answer.status);
      await writeFileAnswer(res, answer, route.trigger, file, {
        isHead: req.method === 'HEAD',
        headers: (chosen) => {
          const headers = cors === null ? chosen : besideCors(chosen, cors);
          if (this.#draining) headers.push('connection', 'close');
          return headers;
        },
      });
    } catch (error) {
      if (res.headersSent || res.destroyed) {
        // The client left, or the file could not be read to its end: what was announced cannot be kept.
        res.destroy();
        return;
      }
      const detail = 'The file of the answer is not there any more, or was replaced while the answer was on its way.';
      if (!(error instanceof FileFailure)) this.#options.log.error({ error, executionId }, 'a file could not be sent');
      this.#end(exchange, { ...refusal('effect_failed', detail), executionId });
    }
  }

  #writeAnswer(exchange: Exchange, answer: Answer): void {
    const { res, route } = exchange;
    const { admission, metrics } = this.#options;
    const { status, headers: chosen, body } = composeAnswer(answer, route.trigger);
    const { cors } = this.#options.plans.of(route.trigger);
    const headers = cors === null ? chosen : besideCors(chosen, cors);
    if (this.#draining) headers.push('connection', 'close');
    if (body === null) {
      writeEmpty(res, status, headers);
    } else {
      if (body.length >= countedAnswerSizeMin) {
        admission.add(body.length);
        exchange.reservedBytes += body.length;
      }
      writeBytes(res, status, headers, body);
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
    exchange.ending.abort();
    connection.answersOpen--;
    if (phase === 'collecting') connection.collecting = null;
    this.#options.admission.release(exchange.reservedBytes);
    exchange.reservedBytes = 0;
    if (phase === 'running') exchange.leave?.();
    this.onClosed();
  }
}

function isFormData(contentType: string | undefined): boolean {
  return /^multipart\/form-data\s*(;|$)/i.test((contentType ?? '').trim());
}

function refusedUpload({ sizeMax }: UploadRules, announcedBytes: number): Problem | null {
  return announcedBytes > sizeMax + uploadOverheadMax ? tooLarge(`${announcedBytes} bytes`, sizeMax) : null;
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
  if (headers['idempotency-key'] !== undefined && !isFirstSending(headers[effectHeader])) {
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
