/** Executions as server-sent events (HTML standard, section 9.2), for `nflow executions tail` and the dashboard. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { ExecutionEvent, ExecutionEvents } from '../../engine/port.ts';
import { refusal } from '../problem.ts';
import { RequestRefused } from '../request-refused.ts';
import type { ErrorView, ExecutionEventView, eventsQuery } from './schemas/execution-schemas.ts';

/** What a reader may be behind; at a few hundred bytes an event some hundreds of executions. */
const behindBytesMax = 256 * 1024;
/** A slow reader that is told so gets this long to read it. */
const farewellMs = 5_000;
/** A comment keeps proxies from closing a quiet stream, and finds out that a reader is gone. */
const heartbeatMs = 15_000;
const streamsMax = 50;

type EventsFilter = z.infer<typeof eventsQuery>;

/** The streams of one server. */
export class ExecutionStreams {
  readonly #stopping: AbortSignal;
  #count = 0;

  constructor(stopping: AbortSignal) {
    this.#stopping = stopping;
  }

  /** @throws RequestRefused `too_many_requests` when too many read already. */
  open(request: FastifyRequest, reply: FastifyReply, events: ExecutionEvents): void {
    if (this.#count >= streamsMax) {
      throw new RequestRefused(refusal('too_many_requests', `${streamsMax} clients follow the executions already.`));
    }
    // The guard and the hooks have run; from here on the answer is written by hand.
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream',
      // Proxies must pass it on as it comes.
      'x-accel-buffering': 'no',
    });
    this.#count++;
    const onOver = (): void => {
      this.#count--;
    };
    new EventStream(reply.raw, request.query as EventsFilter, onOver).follow(events, this.#stopping);
  }
}

/** open ── reader left, stop, or too far behind ──► over */
class EventStream {
  readonly #response: ServerResponse;
  readonly #filter: EventsFilter;
  readonly #onOver: () => void;
  #isOver = false;
  #end: () => void = () => {};

  constructor(response: ServerResponse, filter: EventsFilter, onOver: () => void) {
    this.#response = response;
    this.#filter = filter;
    this.#onOver = onOver;
  }

  follow(events: ExecutionEvents, stopping: AbortSignal): void {
    const unsubscribe = events.subscribe((event) => this.#show(event));
    const heartbeat = setInterval(() => this.#write(': alive\n\n'), heartbeatMs);
    const onStop = (): void => this.#finish('stopping', 'The server is stopping.');
    this.#end = () => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#onOver();
      unsubscribe();
      clearInterval(heartbeat);
      stopping.removeEventListener('abort', onStop);
    };
    stopping.addEventListener('abort', onStop);
    this.#response.on('close', this.#end);
    this.#response.on('error', this.#end);
    this.#write('retry: 2000\n\n');
    if (stopping.aborted) onStop();
  }

  #show(event: ExecutionEvent): void {
    const { workflow, status } = this.#filter;
    if (workflow !== undefined && event.workflow !== workflow) return;
    if (status !== undefined && (typeof status === 'string' ? event.status !== status : !status.includes(event.status)))
      return;
    this.#write(`event: execution\ndata: ${JSON.stringify(eventView(event))}\n\n`);
  }

  #write(text: string): void {
    if (this.#isOver) return;
    if (this.#response.writableLength > behindBytesMax) {
      this.#finish('dropped', `The reader is more than ${behindBytesMax} bytes behind.`);
    } else {
      this.#response.write(text);
    }
  }

  /** The reason is the last event. */
  #finish(name: 'dropped' | 'stopping', detail: string): void {
    this.#end();
    this.#response.end(`event: ${name}\ndata: ${JSON.stringify({ detail })}\n\n`);
    const { socket } = this.#response;
    setTimeout(() => socket?.destroy(), farewellMs).unref();
  }
}

function eventView(event: ExecutionEvent): ExecutionEventView {
  const { startedAtMs, errorJson, ...rest } = event;
  return {
    ...rest,
    startedAt: new Date(startedAtMs).toISOString(),
    error: errorJson === null ? null : errorOf(errorJson),
  };
}

/** What described the error came out of a VM. */
function errorOf(errorJson: string): ExecutionEventView['error'] {
  let fields: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(errorJson);
    if (typeof parsed === 'object' && parsed !== null) fields = parsed as Record<string, unknown>;
  } catch {
    // It failed, and did not even say so in JSON.
  }
  const text = (name: keyof ErrorView): string | null =>
    typeof fields[name] === 'string' ? fields[name].slice(0, 1000) : null;
  const number = (name: keyof ErrorView): number | null => (typeof fields[name] === 'number' ? fields[name] : null);
  return {
    code: text('code') ?? 'node_failed',
    message: text('message') ?? '',
    node: text('node'),
    line: number('line'),
    column: number('column'),
  };
}
