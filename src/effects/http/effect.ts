import type { Config } from '../../config/config.ts';
import type { FileRoot } from '../../files/file-root.ts';
import { type EffectSending, effectHeader } from '../../protocol/effect-header.ts';
import { mayHoldPlaceholder, namePlaceholders } from '../../protocol/secret-placeholder.ts';
import type {
  ClosableEffect,
  EffectCall,
  EffectContext,
  EffectResult,
  EffectVerdict,
  FilledSecrets,
  SecretPlace,
} from '../port.ts';
import { httpTraits } from './arguments.ts';
import { BodyFile } from './body-file.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { EgressGuard } from './egress-guard.ts';
import { BrokenBeforeAnswer, exchange, type Progress, type WireRequest, type WireResponse } from './exchange.ts';
import { failureResult, HttpFailure } from './failure.ts';
import { redirectedRequest } from './redirect.ts';
import {
  describeCall,
  type HeaderField,
  type HttpRequest,
  parseHttpMethod,
  parseHttpRequest,
  parseHttpTarget,
} from './request.ts';
import { renderHttpResult } from './response.ts';
import { type TlsProfile, tlsProfileFor } from './tls-profiles.ts';
import { verdictOfAnswer } from './verdict.ts';

export interface HttpEffect extends ClosableEffect {
  verdictOf(result: EffectResult): EffectVerdict;
  close(): void;
}

/**
 * The effect `http`: one call, its redirects included. An answer is a result whatever its status; a call without an answer is a
 * failure with a reason (`failure.ts`).
 */
export function createHttpEffect(
  config: Config['httpClient'],
  guard: EgressGuard,
  tlsProfiles: ReadonlyMap<string, TlsProfile> = new Map(),
  files: FileRoot | null = null,
): HttpEffect {
  const pool = new ConnectionPool(config);
  const underWay = new Set<AbortController>();
  let closed = false;

  async function perform({ argumentsJson, filled }: EffectCall, context: EffectContext): Promise<EffectResult> {
    let tried = filled?.describedAs ?? 'http';
    try {
      const request = parseHttpRequest(argumentsJson, config.timeoutMs);
      tried = filled?.describedAs ?? describeCall(request.method, request.url);
      const json = await withDeadline(request, context.signal, async (progress, signal) => {
        const response = await followRedirects(request, filled, context, progress, signal);
        return renderHttpResult(response, config.responseSizeMax);
      });
      return { ok: true, json };
    } catch (error) {
      return error instanceof HttpFailure ? failureResult(tried, error) : defectResult(tried, error);
    }
  }

  async function followRedirects(
    request: HttpRequest,
    filled: FilledSecrets | undefined,
    context: EffectContext,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WireResponse> {
    for (let current = request, followed = 0; ; followed++) {
      const response = await send(current, filled, context, progress, signal).catch((error: unknown) => {
        throw followed > 0 && error instanceof HttpFailure ? afterRedirect(error, current) : error;
      });
      const next = current.followsRedirects ? redirectedRequest(current, response, followed, filled) : null;
      if (next === null) return response;
      current = next;
    }
  }

  function openFileOf(
    { saveTo }: HttpRequest,
    filled: FilledSecrets | undefined,
    { workflow }: EffectContext,
  ): (() => Promise<BodyFile>) | null {
    return saveTo === null ? null : () => BodyFile.open(files, workflow, saveTo, filled?.redactBytes());
  }

  async function send(
    request: HttpRequest,
    filled: FilledSecrets | undefined,
    context: EffectContext,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WireResponse> {
    progress.phase = 'resolving';
    const { tls: tlsName, url } = request;
    const tls = tlsName === null ? undefined : tlsProfileFor(tlsProfiles, tlsName, context.workflow, url);
    const checked = await guard.check(url, signal);
    const target = tls === undefined ? checked : { ...checked, tls };
    const wire = toWire(request, context);
    for (let fresh = false; ; fresh = true) {
      progress.phase = 'connecting';
      const connection = await pool.acquire(target, signal, fresh);
      let complete = false;
      try {
        const response = await exchange(
          connection,
          wire,
          config.responseSizeMax,
          progress,
          signal,
          openFileOf(request, filled, context),
        );
        complete = true;
        return response;
      } catch (error) {
        if (!(error instanceof BrokenBeforeAnswer)) throw error;
        // A kept connection that the server closed just now is nobody's fault: the call goes once more over a new one, unless the
        // server may have got it and repeating it is not safe.
        if (!connection.reused || fresh || (error.sent && !isSafeMethod(request.method))) throw error.failure;
      } finally {
        pool.release(connection, complete);
      }
    }
  }

  /** Runs a call under its timeout and the execution's signal. `signal` is aborted with the HttpFailure that ends the call. */
  async function withDeadline<T>(
    request: HttpRequest,
    executionSignal: AbortSignal,
    run: (progress: Progress, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const progress: Progress = { phase: 'resolving', sent: false };
    const ending = new AbortController();
    const onAbort = () => ending.abort(new HttpFailure('aborted', 'the execution ended before the call did'));
    const timer = setTimeout(() => ending.abort(timeoutFailure(request, progress)), request.timeoutMs);
    executionSignal.addEventListener('abort', onAbort, { once: true });
    underWay.add(ending);
    if (executionSignal.aborted) onAbort();
    else if (closed) ending.abort(stoppingFailure());
    try {
      return await run(progress, ending.signal);
    } finally {
      clearTimeout(timer);
      executionSignal.removeEventListener('abort', onAbort);
      underWay.delete(ending);
    }
  }

  return {
    ...httpTraits,
    isSafe(argumentsJson) {
      const method = methodOf(argumentsJson);
      // What saves its answer changes a file.
      return method !== null && isSafeMethod(method) && !savesAnswer(argumentsJson);
    },
    perform,
    destinationOf: (argumentsJson) => targetOf(argumentsJson)?.url ?? null,
    writeSecret,
    verdictOf: (result) => verdictOfAnswer(result, Date.now()),
    describe(argumentsJson) {
      const target = targetOf(argumentsJson);
      return target === null ? describeUnread(argumentsJson) : describeCall(target.method, target.url);
    },
    close() {
      closed = true;
      for (const ending of underWay) ending.abort(stoppingFailure());
      pool.close();
    },
  };
}

/** Also true for arguments that only look so: that is the careful side. */
function savesAnswer(argumentsJson: string): boolean {
  return argumentsJson.includes('"saveTo"');
}

function isSafeMethod(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Null for arguments that `perform` refuses. */
function targetOf(argumentsJson: string): Pick<HttpRequest, 'method' | 'url'> | null {
  try {
    return parseHttpTarget(argumentsJson);
  } catch {
    return null;
  }
}

/** Of a call whose whole address is a secret, there is nothing to show but the method. */
function describeUnread(argumentsJson: string): string {
  const method = methodOf(argumentsJson);
  if (method === null || !mayHoldPlaceholder(argumentsJson)) return 'http (invalid)';
  const { url } = JSON.parse(argumentsJson) as { url?: unknown };
  return typeof url === 'string' && mayHoldPlaceholder(url) ? `${method} ${namePlaceholders(url)}` : 'http (invalid)';
}

/** Null for arguments that `perform` refuses. */
function methodOf(argumentsJson: string): string | null {
  try {
    return parseHttpMethod(argumentsJson);
  } catch {
    return null;
  }
}

/** The host is over: written out, or in a secret that is an address. */
const hostBefore = /^(?:https?:\/\/|nflow-secret\.)[^/?#\\]+[/?#]/i;

/** A secret at the beginning of the address is an address itself; further on it is written as one piece of it. */
function writeSecret(value: string, { field, text, at, fields }: SecretPlace): string | null {
  if (field === 'url') {
    if (at === 0) return URL.canParse(value) && /^https?:\/\//i.test(value) ? value : null;
    return hostBefore.test(text.slice(0, at)) ? encodeURIComponent(value.toWellFormed()) : null;
  }
  return field === 'body' && fields.bodyKind === 'json' ? JSON.stringify(value).slice(1, -1) : value;
}

function toWire(request: HttpRequest, { idempotencyKey, isFirstSending }: EffectContext): WireRequest {
  const given = new Set(request.headers.map((header) => header.name.toLowerCase()));
  const defaults: HeaderField[] = [
    { name: 'accept', value: '*/*' },
    // Compression trades bytes on the wire for time in the gateway, and opens the door to bombs.
    { name: 'accept-encoding', value: 'identity' },
    { name: 'user-agent', value: 'nflow' },
  ];
  if (!isSafeMethod(request.method)) defaults.push({ name: 'Idempotency-Key', value: idempotencyKey });
  const sending: EffectSending = isFirstSending && !given.has('idempotency-key') ? 'first' : 'later';
  const headers = [
    ...request.headers.filter(({ name }) => name.toLowerCase() !== effectHeader),
    ...defaults.filter(({ name }) => !given.has(name.toLowerCase())),
    { name: effectHeader, value: sending },
  ];
  return {
    method: request.method,
    path: request.url.pathname + request.url.search,
    headers: headers.flatMap(({ name, value }) => [name, value]),
    body: request.body,
  };
}

function stoppingFailure(): HttpFailure {
  return new HttpFailure('aborted', 'the server is stopping');
}

const unfinished: Record<Progress['phase'], string> = {
  resolving: 'the address of the host was still being looked up',
  connecting: 'there was no connection yet',
  sending: 'the request was still being sent',
  waiting: 'the request was sent and no answer had begun',
  receiving: 'the answer had begun and not ended',
};

function timeoutFailure(request: HttpRequest, progress: Progress): HttpFailure {
  const doubt =
    progress.sent && !isSafeMethod(request.method)
      ? ' It is not known whether it took effect; a repeat carries the same Idempotency-Key.'
      : '';
  return new HttpFailure(
    'timeout',
    `not done within ${request.timeoutMs} ms: ${unfinished[progress.phase]}.${doubt} If the service needs longer, raise the call's timeout`,
    true,
  );
}

function afterRedirect(failure: HttpFailure, request: HttpRequest): HttpFailure {
  const message = `redirected to ${describeCall(request.method, request.url)}: ${failure.message}`;
  return new HttpFailure(failure.reason, message, failure.retryable, failure);
}

/** `perform` never rejects: what nobody expected is told as what it is. */
function defectResult(tried: string, error: unknown): EffectResult {
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    ok: false,
    json: JSON.stringify({ code: 'internal_error', message: `${tried}: ${said}`, retryable: false }),
  };
}
