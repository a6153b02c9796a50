/**
 * The short way of nearly all requests: plain ones (see plain-request.ts), to workflows, one after another on a kept connection. Node's
 * server costs about 20 us a request in streams, events and header bookkeeping that such a request does not need; this is a
 * string in and a string out.
 *
 *   idle ──request──► running ──answer──► (flushing ──►) idle …
 *    │                    └── the client leaves ──► over
 *    └── a packet that is not plain, or wants what only the long way knows ──► over: the socket is Node's, with that packet
 *
 * A socket that was handed over stays there: that is rare, and the way back would need a look into Node's server.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import type { ActiveWorkflow, Answer, Engine } from '../engine/port.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import type { RouteTable } from '../workflow/routes.ts';
import type { Admission } from './admission.ts';
import { type ComposedAnswer, composeAnswer, composeProblem } from './composed-answer.ts';
import type { DirectSocket } from './direct-socket.ts';
import { answersFiles } from './file-answer.ts';
import { bodyKindOf } from './media-type.ts';
import { type PlainRequest, readPlainRequest } from './plain-request.ts';
import { problemOf, refusal } from './problem.ts';
import { requestOverhead } from './request-size.ts';
import type { InputPlans } from './trigger-input.ts';
import { oneStringSizeMax, slowReaderTimeoutMs } from './write-answer.ts';

/** What plain connections need of the server. */
export interface PlainConnectionHost {
  limits: Config['server'];
  engine: Engine;
  routes: () => RouteTable<ActiveWorkflow>;
  plans: InputPlans;
  admission: Admission;
  metrics: Metrics;
  log: Log;
  isDraining(): boolean;
  /** A request was taken in; its answer has left, or its client. */
  onOpened(): void;
  onClosed(): void;
  /** Gives a socket to Node's HTTP server. */
  handOver(socket: Socket): void;
}

/** How often idle connections are looked at. */
const sweepIntervalMs = 5_000;

/** All connections that are on the short way. */
export class PlainConnections {
  readonly #host: PlainConnectionHost;
  readonly #connections = new Set<PlainConnection>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #idleSweepsMax: number;

  /** @param keepAliveTimeoutMs an idle connection is closed after about this long. */
  constructor(host: PlainConnectionHost, keepAliveTimeoutMs: number) {
    this.#host = host;
    this.#idleSweepsMax = Math.ceil(keepAliveTimeoutMs / sweepIntervalMs);
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs).unref();
  }

  accept(direct: DirectSocket): void {
    this.#connections.add(new PlainConnection(direct, this.#host, this.#onOver));
  }

  /** Closes those without a request under way; the others close after their answer, since the server is draining. */
  closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  destroy(): void {
    clearInterval(this.#sweeper);
    for (const connection of this.#connections) connection.destroy();
  }

  readonly #onOver = (connection: PlainConnection): void => {
    this.#connections.delete(connection);
  };

  #sweep(): void {
    for (const connection of this.#connections) connection.sweep(this.#idleSweepsMax);
  }
}

const nothing: Buffer = Buffer.alloc(0);
/** Of a client that pipelines, in bytes. */
const earlySizeMax = 64 * 1024;

type Phase = 'idle' | 'running' | 'flushing' | 'over';

class PlainConnection {
  readonly #direct: DirectSocket;
  readonly #socket: Socket;
  readonly #host: PlainConnectionHost;
  readonly #onOver: (connection: PlainConnection) => void;
  #phase: Phase = 'idle';
  /** Arrived while a request was under way: a client that pipelines. The long way gets it, once that request is answered. */
  #early: Buffer | null = null;
  #hasServed = false;
  #idleSweeps = 0;
  #trigger: HttpTrigger | null = null;
  #variesByOrigin = false;
  #leave: (() => void) | null = null;
  #reservedBytes = 0;

  constructor(direct: DirectSocket, host: PlainConnectionHost, onOver: (connection: PlainConnection) => void) {
    const { socket } = direct;
    this.#direct = direct;
    this.#socket = socket;
    this.#host = host;
    this.#onOver = onOver;
    direct.onPacket = this.#onPacket;
    socket.on('end', this.#onClientEnd);
    socket.on('close', this.#onClose);
    socket.on('error', ignoreError);
  }

  closeIfIdle(): void {
    if (this.#phase === 'idle') this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** A connection that never said anything is handed over: Node's server has the time limits for it. */
  sweep(idleSweepsMax: number): void {
    if (this.#phase !== 'idle') return;
    if (!this.#hasServed) this.#handOver(nothing);
    // Not `end`: a client that does not close its side would keep the socket for ever.
    else if (++this.#idleSweeps > idleSweepsMax) this.#socket.destroySoon();
  }

  readonly #onPacket = (packet: Buffer): void => {
    if (this.#phase === 'idle') this.#begin(packet);
    else if (this.#phase !== 'over') this.#keepEarly(packet);
  };

  #begin(packet: Buffer): void {
    const { limits } = this.#host;
    const request = readPlainRequest(packet, limits.urlSizeMax, limits.headerSizeMax);
    if (request === null || !this.#start(packet, request)) this.#handOver(packet);
  }

  #keepEarly(packet: Buffer): void {
    this.#early = Buffer.concat(this.#early === null ? [packet] : [this.#early, packet]);
    // Reading goes on up to here, since only so is it seen when the client leaves.
    if (this.#early.length > earlySizeMax) this.#socket.pause();
  }

  /** False when the request must go the long way; nothing has happened then. */
  #start(packet: Buffer, request: PlainRequest): boolean {
    const host = this.#host;
    const { method, path, query, headers, bodyAt } = request;
    const route = host.routes().find(method, path);
    const bodySize = packet.length - bodyAt;
    if (route === null || !('target' in route) || host.isDraining() || bodySize > host.limits.bodySizeMax) return false;
    const bodyKind = bodyKindOf(headers['content-type']);
    if (bodySize > 0 && (bodyKind === 'multipart' || bodyKind === 'other-charset')) return false;
    const { target, trigger, params } = route;
    if (answersFiles(target.compiled)) return false;
    // The next read overwrites the packet.
    const body = bodySize === 0 ? null : Buffer.from(packet.subarray(bodyAt));
    const plan = host.plans.of(trigger);
    const input = plan.build({ method, path, query, params, headers, body, bodyKind });
    if ('code' in input) return false;
    const reservedBytes = requestOverhead + bodySize;
    if (!host.admission.reserve(reservedBytes)) return false;
    this.#reservedBytes = reservedBytes;
    this.#trigger = trigger;
    this.#variesByOrigin = plan.cors?.variesByOrigin === true;
    this.#phase = 'running';
    this.#hasServed = true;
    this.#idleSweeps = 0;
    host.onOpened();
    this.#execute(target, input.inputJson, input.body);
    return true;
  }

  #execute(workflow: ActiveWorkflow, inputJson: string, body: Buffer | null): void {
    const host = this.#host;
    try {
      this.#leave = host.engine.execute(
        { workflow, trigger: 'http', inputJson, body, receivedMs: performance.now() },
        this.#onAnswer,
      );
    } catch (error) {
      host.log.error({ error, workflow: workflow.compiled.name }, 'the engine did not take a request');
      if (this.#phase === 'running') this.#send(composeProblem(refusal('internal_error')));
    }
  }

  readonly #onAnswer = (answer: Answer): void => {
    if (this.#phase !== 'running') return;
    const { executionId, error } = answer;
    if (error === null) {
      try {
        this.#send(composeAnswer(answer, this.#trigger as HttpTrigger));
      } catch (cause) {
        // The engine checks what a workflow sets, so this is a defect of nFlow; it must not cost the process.
        this.#host.log.error({ error: cause, executionId }, 'an answer could not be written');
        this.#send(composeProblem({ ...refusal('internal_error'), executionId }));
      }
      return;
    }
    if (error.code === 'internal_error')
      this.#host.log.error({ error, executionId }, 'an execution failed within nFlow');
    if (executionId === null) this.#host.metrics.onRejected(error.code);
    this.#send(composeProblem(problemOf(error, executionId)));
  };

  #send({ status, headers, body }: ComposedAnswer): void {
    const host = this.#host;
    const socket = this.#socket;
    const isLast = host.isDraining();
    // Requests with an origin go the long way; a cache must know that their answers are others.
    if (this.#variesByOrigin) headers.push('vary', 'Origin');
    const head = headOf(status, headers, body, isLast);
    host.metrics.onHttpAnswer(status);
    if (body === null) {
      socket.write(head, 'latin1');
    } else if (body.length <= oneStringSizeMax) {
      const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      socket.write(head + bytes.toString('latin1'), 'latin1');
    } else {
      host.admission.add(body.length);
      this.#reservedBytes += body.length;
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
    }
    if (isLast) socket.destroySoon();
    if (socket.writableLength === 0) {
      this.#finish(isLast ? 'over' : 'idle');
      return;
    }
    // The client takes it slowly: until it has, it gets no further answer, and the bytes count as held.
    this.#phase = 'flushing';
    socket.setTimeout(slowReaderTimeoutMs, () => socket.destroy());
    if (!isLast) socket.write('', () => this.#flushed());
  }

  #flushed(): void {
    if (this.#phase !== 'flushing') return;
    this.#socket.setTimeout(0);
    this.#finish('idle');
  }

  #finish(phase: 'idle' | 'over'): void {
    this.#phase = phase;
    this.#leave = null;
    this.#host.admission.release(this.#reservedBytes);
    this.#reservedBytes = 0;
    this.#host.onClosed();
    const early = this.#early;
    if (phase === 'idle' && early !== null) this.#handOver(early);
  }

  readonly #onClientEnd = (): void => {
    // Whoever ends its side is gone, as for Node's server: a client that still listens cannot be told from one that does not.
    this.#socket.destroySoon();
    this.#stop();
  };

  readonly #onClose = (): void => {
    this.#stop();
    if (this.#phase !== 'over') this.#phase = 'over';
    this.#onOver(this);
  };

  /** Nobody is there for an answer any more. */
  #stop(): void {
    this.#early = null;
    if (this.#phase !== 'running' && this.#phase !== 'flushing') return;
    const leave = this.#phase === 'running' ? this.#leave : null;
    this.#finish('over');
    leave?.();
  }

  #handOver(packet: Buffer): void {
    const socket = this.#socket;
    this.#phase = 'over';
    this.#early = null;
    this.#onOver(this);
    this.#direct.onPacket = null;
    socket.off('end', this.#onClientEnd);
    socket.off('close', this.#onClose);
    socket.off('error', ignoreError);
    if (packet.length > 0) socket.unshift(Buffer.from(packet));
    this.#host.handOver(socket);
    socket.resume();
  }
}

/** `close` follows, and tells all that there is to know. */
function ignoreError(): void {}

function headOf(status: number, headers: string[], body: Uint8Array | null, isLast: boolean): string {
  let head = status === 200 ? 'HTTP/1.1 200 OK\r\n' : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  if (body !== null) head += `content-length: ${body.length}\r\n`;
  else if (status !== 204 && status !== 304) head += 'content-length: 0\r\n';
  if (isLast) head += 'connection: close\r\n';
  return `${head}date: ${httpDate()}\r\n\r\n`;
}

let dateSecond = 0;
let dateText = '';

/** Made once a second. */
function httpDate(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(nowMs).toUTCString();
  }
  return dateText;
}
