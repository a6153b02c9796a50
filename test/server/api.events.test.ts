import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ExecutionEvent } from '../../src/engine/port.ts';
import { until } from '../support/condition.ts';
import { type ApiUnderTest, assertStatus, greeting, startApi } from './api-under-test.ts';
import { adminToken, httpTrigger, RawClient, startServer } from './server-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi({ withRunners: true });
  const failing = { ...greeting('sad', '/sad'), nodes: { bad: { type: 'code', code: "throw new Error('no');" } } };
  const batch = { workflows: [{ definition: greeting('glad', '/glad') }, { definition: failing }] };
  assertStatus(await api.call('POST', '/workflows', batch), 200);
});
after(() => api[Symbol.asyncDispose]());

interface Message {
  event: string;
  data: Record<string, unknown>;
}

/** Reads a stream of events until it is disposed. */
class Reader implements Disposable {
  readonly messages: Message[] = [];
  isOver = false;
  readonly #abort = new AbortController();

  static async open(query = ''): Promise<Reader> {
    const reader = new Reader();
    const address = `${api.origin}/nflow/api/v1/executions/events${query}`;
    const answer = await fetch(address, { signal: reader.#abort.signal });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/);
    void reader.#read(answer.body as ReadableStream<Uint8Array>);
    return reader;
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = '';
    try {
      const decoder = new TextDecoder();
      for await (const bytes of body) {
        const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
        rest = parts.pop() as string;
        for (const part of parts) {
          const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
          if (event !== undefined && data !== undefined) this.messages.push({ event, data: JSON.parse(data) });
        }
      }
    } catch {
      // The test has seen enough.
    }
    this.isOver = true;
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
  }
}

test('an execution is told when it begins and when it has ended, and is in the history by then', async () => {
  using reader = await Reader.open();
  const answer = await fetch(`${api.origin}/glad`);
  const id = answer.headers.get('nflow-execution-id');
  await until('both events', () => reader.messages.length === 2);
  const [began, ended] = reader.messages;
  assert.deepEqual([began?.event, ended?.event], ['execution', 'execution']);
  assert.deepEqual(
    [began?.data.id, began?.data.status, began?.data.durationMs, began?.data.httpStatus],
    [id, 'running', null, null],
  );
  assert.deepEqual(
    [ended?.data.id, ended?.data.workflow, ended?.data.status, ended?.data.httpStatus, ended?.data.error],
    [id, 'glad', 'succeeded', 200, null],
  );
  assert.ok((ended?.data.durationMs as number) > 0);
  assertStatus(await api.call('GET', `/executions/${id}`), 200);
});

test('a reader gets what it asked for only', async () => {
  using sad = await Reader.open('?workflow=sad&status=failed&status=crashed');
  using all = await Reader.open('?status=failed');
  await fetch(`${api.origin}/glad`);
  await fetch(`${api.origin}/sad`);
  await until('the failure', () => sad.messages.length > 0 && all.messages.length > 0);
  assert.deepEqual(
    sad.messages.map(({ data }) => [data.workflow, data.status, (data.error as { message: string }).message]),
    [['sad', 'failed', 'no']],
  );
  assert.equal(all.messages.length, 1);
  assertStatus(await api.call('GET', '/executions/events?status=lost'), 400, 'invalid_input');
});

test('a reader that left costs nothing any more', async () => {
  const subscriptions = new Set<unknown>();
  const events = {
    subscribe(listener: unknown) {
      subscriptions.add(listener);
      return () => subscriptions.delete(listener);
    },
  };
  await using under = await startServer({ options: { api: { events } } });
  const abort = new AbortController();
  const answer = await fetch(`${under.origin}/nflow/api/v1/executions/events`, { signal: abort.signal });
  assert.equal(answer.status, 200);
  assert.equal(subscriptions.size, 1);
  abort.abort();
  await until('the subscription has ended', () => subscriptions.size === 0);
});

const event: ExecutionEvent = {
  id: '0199c0de-0000-7000-8000-0000000000aa',
  workflow: 'glad',
  version: 1,
  status: 'succeeded',
  durability: 'durable',
  trigger: 'http',
  startedAtMs: 0,
  durationMs: 1,
  httpStatus: 200,
  errorJson: null,
};

test('a reader that does not read is dropped with a notice, and the server keeps little for it', async () => {
  let show: ((event: ExecutionEvent) => void) | null = null;
  const events = {
    subscribe(listener: (event: ExecutionEvent) => void) {
      show = listener;
      return () => {
        show = null;
      };
    },
  };
  await using under = await startServer({ triggers: [{ trigger: httpTrigger() }], options: { api: { events } } });
  using client = await RawClient.connect(under.port);
  client.socket.pause();
  const head = `Host: localhost\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`;
  client.send(`GET /nflow/api/v1/executions/events HTTP/1.1\r\n${head}`);
  await until('the stream is open', () => show !== null);
  let shown = 0;
  // The system's buffers take some megabytes before anything is kept by the server itself.
  await until('the reader is dropped', () => {
    for (let count = 0; count < 5_000 && show !== null; count++) {
      show(event);
      shown++;
    }
    return show === null;
  });
  assert.ok(shown > 500);
  let received = '';
  client.socket.on('data', (bytes: Buffer) => {
    received = (received + bytes.toString('latin1')).slice(-2_000);
  });
  client.socket.resume();
  await until('the connection is closed', () => client.isEnded);
  assert.match(received, /event: dropped\ndata: \{"detail":"The reader is more than 262144 bytes behind\."\}/);
});

test('a server that stops ends its streams at once', async () => {
  const under = await startServer({ options: { api: { events: { subscribe: () => () => {} } } } });
  const answer = await fetch(`${under.origin}/nflow/api/v1/executions/events`);
  const beganMs = performance.now();
  const closed = under.server.close(60_000);
  assert.match(await answer.text(), /event: stopping/);
  await closed;
  assert.ok(performance.now() - beganMs < 30_000, 'nobody waits for a stream that would never end');
});

test('so many clients may follow, and one more is refused', async () => {
  await using under = await startServer({ options: { api: { events: { subscribe: () => () => {} } } } });
  const abort = new AbortController();
  const open = () => fetch(`${under.origin}/nflow/api/v1/executions/events`, { signal: abort.signal });
  const answers = await Promise.all(Array.from({ length: 50 }, open));
  assert.ok(answers.every(({ status }) => status === 200));
  const refused = await open();
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('retry-after'), '1');
  abort.abort();
});
