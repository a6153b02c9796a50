/** A server with an engine whose answers the test decides: the engine is a port, everything else is real. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ActiveWorkflow, Answer, Engine, ExecutionRequest } from '../../src/engine/port.ts';
import { createSilentLog } from '../../src/observe/log.ts';
import { createMetrics, type Metrics } from '../../src/observe/metrics.ts';
import { createServer, type HttpServer, type ServerOptions } from '../../src/server/create-server.ts';
import type { HttpTrigger } from '../../src/workflow/compiled.ts';
import { buildRoutes } from '../../src/workflow/routes.ts';

export const adminToken = 'a-token-of-the-tests-0123456789abcdef';
export const executionId = '0199c0de-0000-7000-8000-0000000000aa';

export function httpTrigger(over: Partial<HttpTrigger> = {}): HttpTrigger {
  return {
    type: 'http',
    method: 'POST',
    path: '/api/echo',
    headers: ['content-type', 'user-agent'],
    cookies: [],
    rawBody: false,
    sandboxHtml: true,
    cors: 'configured',
    ...over,
  };
}

export function activeWorkflow(trigger: HttpTrigger, effectFree = false): ActiveWorkflow {
  const program = {
    workflow: 'echo',
    start: 'reply',
    nodes: [],
    varsJson: '{}',
    webGlobals: [],
    effectParts: [],
    isolation: 'shared' as const,
  };
  return {
    versionId: 1,
    version: 3,
    compiled: {
      name: 'echo',
      description: 'Answers what it was sent',
      triggers: [trigger],
      durability: 'ephemeral',
      timeoutMs: 30_000,
      historyClass: null,
      trustGroup: null,
      uses: { nodeTypes: [], effects: [], vars: [], resources: {} },
      effectFree,
      program,
      definitionText: '{}',
    },
    program: { id: 1, workflow: 'echo', text: JSON.stringify(program) },
  };
}

export function okAnswer(over: Partial<Answer> = {}): Answer {
  return { executionId, status: 200, headers: null, body: Buffer.from('{"ok":true}'), error: null, ...over };
}

/** Records what it is given. `answerWith` decides; without it, requests stay open until the test answers them. */
export class TestEngine implements Engine {
  readonly requests: ExecutionRequest[] = [];
  readonly pending: ((answer: Answer) => void)[] = [];
  left = 0;
  answerWith: ((request: ExecutionRequest) => Answer) | null = () => okAnswer();

  execute(request: ExecutionRequest, onAnswer: (answer: Answer) => void): () => void {
    this.requests.push(request);
    if (this.answerWith === null) this.pending.push(onAnswer);
    else onAnswer(this.answerWith(request));
    return () => {
      this.left++;
    };
  }

  get inFlight(): number {
    return this.pending.length;
  }

  async drain(): Promise<void> {}

  /** The last request's input with its body put in, as the workflow would see it. */
  get lastInput(): Record<string, unknown> {
    const request = this.requests.at(-1);
    assert.ok(request !== undefined, 'nothing reached the engine');
    const input = JSON.parse(request.inputJson) as Record<string, unknown>;
    return request.body === null ? input : { ...input, body: JSON.parse(Buffer.from(request.body).toString('utf8')) };
  }
}

export interface ServerUnderTest extends AsyncDisposable {
  server: HttpServer;
  engine: TestEngine;
  metrics: Metrics;
  port: number;
  origin: string;
}

export interface StartOptions {
  triggers?: { trigger: HttpTrigger; effectFree?: boolean }[];
  limits?: Partial<Config['server']>;
  admin?: Partial<Config['admin']>;
  cors?: Partial<Config['cors']>;
  options?: Partial<ServerOptions>;
  /** 0 (the default) takes a free one; null does not listen at all. */
  port?: number | null;
}

export async function startServer(start: StartOptions = {}): Promise<ServerUnderTest> {
  const { config } = loadConfig({ env: {} });
  Object.assign(config.server, start.limits);
  Object.assign(config.admin, start.admin);
  Object.assign(config.cors, start.cors);
  const engine = new TestEngine();
  const metrics = createMetrics({ processMetrics: false });
  const entries = (start.triggers ?? [{ trigger: httpTrigger() }]).map(({ trigger, effectFree = false }) => ({
    workflow: 'echo',
    trigger,
    effectFree,
    target: activeWorkflow(trigger, effectFree),
  }));
  const { table } = buildRoutes(entries);
  const server = createServer({
    config,
    engine,
    routes: () => table,
    history: null,
    workflows: { list: () => entries.map(({ target }) => target), version: async () => null },
    metrics,
    health: { ready: () => ({ ready: true, reasons: [] }) },
    log: createSilentLog(),
    version: '0.0.0-test',
    adminToken,
    ...start.options,
  });
  const wantedPort = start.port === undefined ? 0 : start.port;
  const { port } = wantedPort === null ? { port: 0 } : await server.listen({ host: '127.0.0.1', port: wantedPort });
  return {
    server,
    engine,
    metrics,
    port,
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

export interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** A plain TCP client: sends exact bytes, reads answers one by one. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  isEnded = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('end', () => {
      this.isEnded = true;
    });
    socket.on('close', () => {
      this.isEnded = true;
    });
    socket.on('error', () => {
      this.isEnded = true;
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next whole answer; fails after five seconds. `isHead`: its body is not sent. */
  async answer(isHead = false): Promise<RawAnswer> {
    await waitFor(() => this.#wholeAnswerEnd(isHead) !== null || this.isEnded, 'an answer');
    const end = this.#wholeAnswerEnd(isHead);
    assert.ok(
      end !== null,
      `the connection ended within an answer: ${JSON.stringify(this.#received.toString('latin1'))}`,
    );
    const text = this.#received.toString('latin1', 0, end);
    this.#received = this.#received.subarray(end);
    const split = text.indexOf('\r\n\r\n');
    const [statusLine = '', ...lines] = text.slice(0, split).split('\r\n');
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(split + 4) };
  }

  #wholeAnswerEnd(isHead: boolean): number | null {
    const split = this.#received.indexOf('\r\n\r\n');
    if (split === -1) return null;
    const head = this.#received.toString('latin1', 0, split);
    const length = isHead ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const end = split + 4 + length;
    return this.#received.length >= end ? end : null;
  }

  get unread(): number {
    return this.#received.length;
  }

  async ended(): Promise<void> {
    await waitFor(() => this.isEnded, 'the end of the connection');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export async function waitFor(condition: () => boolean, what: string, timeoutMs = 8000): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!condition()) {
    assert.ok(performance.now() < until, `waited ${timeoutMs} ms for ${what}`);
    await delay(5);
  }
}
