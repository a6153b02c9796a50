/**
 * A request goes the short way when it arrives in one packet, and the long way, through Node's server, when it does not. Nobody may be
 * able to tell by anything but the clock.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NflowError } from '../../src/errors.ts';
import {
  executionId,
  httpTrigger,
  okAnswer,
  type RawAnswer,
  RawClient,
  type ServerUnderTest,
  startServer,
  waitFor,
} from './server-under-test.ts';

const trigger = httpTrigger({
  path: '/api/:name',
  headers: ['content-type', 'x-a', 'constructor'],
  cookies: ['c'],
  rawBody: true,
});
const triggers = [{ trigger }, { trigger: { ...trigger, method: 'GET' as const } }];

interface Outcome {
  input: unknown;
  answer: { status: number; headers: [string, string][]; body: string };
}

/** Headers in which the two ways may differ: times, ids, and what HTTP/1.1 says of a connection in any case. */
const ofTheWay = new Set(['date', 'connection', 'keep-alive', 'nflow-request-id']);

function outcomeOf(under: ServerUnderTest, reached: number, { status, headers, body }: RawAnswer): Outcome {
  const own = [...headers].filter(([name]) => !ofTheWay.has(name)).sort();
  const answer = { status, headers: own, body: body.replace(/"requestId":"[^"]*"/, '') };
  return { input: under.engine.requests.length > reached ? under.engine.lastInput : null, answer };
}

async function shortWay(under: ServerUnderTest, bytes: Buffer): Promise<Outcome> {
  using client = await RawClient.connect(under.port);
  const reached = under.engine.requests.length;
  client.send(bytes);
  const answer = await client.answer();
  return outcomeOf(under, reached, answer);
}

async function longWay(under: ServerUnderTest, bytes: Buffer): Promise<Outcome> {
  using client = await RawClient.connect(under.port);
  const reached = under.engine.requests.length;
  // A connection on which something came that is not plain is Node's for good.
  client.send('GET /api/first HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n');
  const first = await client.answer();
  assert.ok(first.headers.has('keep-alive'), 'the long way was taken');
  client.send(bytes);
  const answer = await client.answer();
  return outcomeOf(under, reached + 1, answer);
}

function request(line: string, headers: string[], body: string | Buffer = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const length = bytes.length > 0 ? [`Content-Length: ${bytes.length}`] : [];
  return Buffer.concat([Buffer.from(`${[line, 'Host: x', ...headers, ...length].join('\r\n')}\r\n\r\n`), bytes]);
}

const json = 'Content-Type: application/json';
const requests: Record<string, Buffer> = {
  'a JSON body': request('POST /api/a HTTP/1.1', [json], '{"a":[1,2,"ä"]}'),
  'a query with repeated fields': request('GET /api/a?x=1&x=2&y=%C3%A4+b&__proto__=1 HTTP/1.1', []),
  'an empty query': request('GET /api/a? HTTP/1.1', []),
  'a percent-encoded name': request('GET /api/%C3%A4%2Fb HTTP/1.1', []),
  'a percent sign that is none': request('GET /api/%zz HTTP/1.1', []),
  'a query that does not decode': request('GET /api/a?x=%zz HTTP/1.1', []),
  'a form': request('POST /api/a HTTP/1.1', ['Content-Type: application/x-www-form-urlencoded'], 'a=1&a=2&b=%20'),
  'a text': request('POST /api/a HTTP/1.1', ['Content-Type: text/plain; charset=utf-8'], 'ein "Wort"\n'),
  bytes: request('POST /api/a HTTP/1.1', ['Content-Type: application/octet-stream'], Buffer.from([0, 255, 128, 10])),
  'bytes without a type': request('POST /api/a HTTP/1.1', [], Buffer.from([1, 2, 3])),
  'a multipart body': request('POST /api/a HTTP/1.1', ['Content-Type: multipart/form-data; boundary=x'], '--x--'),
  'another charset': request('POST /api/a HTTP/1.1', ['Content-Type: text/plain; charset=latin1'], 'a'),
  'JSON that is not UTF-8': request('POST /api/a HTTP/1.1', [json], Buffer.from([0x22, 0xff, 0x22])),
  'JSON that is too deep': request('POST /api/a HTTP/1.1', [json], `${'['.repeat(100)}${']'.repeat(100)}`),
  'JSON with a byte order mark': request('POST /api/a HTTP/1.1', [json], '\ufeff{"a":1}'),
  'no body where one is usual': request('POST /api/a HTTP/1.1', [json]),
  'cookies, wanted and not': request('GET /api/a HTTP/1.1', ['Cookie: c=1%202; d=3; nflow_s=4']),
  'headers, wanted and not': request('GET /api/a HTTP/1.1', [
    'X-A:  some \t words ',
    'X-B: no',
    '__proto__: x',
    'constructor: y',
  ]),
  'an address that nobody has': request('GET /elsewhere HTTP/1.1', []),
  'an address of nFlow itself': request('GET /nflow/nothing HTTP/1.1', []),
  'a method that is not answered': request('DELETE /api/a HTTP/1.1', []),
  'a body over the limit': request('POST /api/a HTTP/1.1', [json], `"${'a'.repeat(3000)}"`),
};

for (const [what, bytes] of Object.entries(requests)) {
  test(`both ways give the same: ${what}`, async () => {
    await using under = await startServer({ triggers, limits: { bodySizeMax: 2000 } });
    assert.deepEqual(await shortWay(under, bytes), await longWay(under, bytes));
  });
}

const answers = {
  'without a body': okAnswer({ body: null }),
  '204': okAnswer({ status: 204, body: Buffer.from('null') }),
  'with headers of its own': okAnswer({ status: 201, headers: { location: '/a', 'set-cookie': ['a=1', 'b=2'] } }),
  'of HTML': okAnswer({ headers: { 'content-type': 'text/html' }, body: Buffer.from('"<p>ä</p>"') }),
  'that is large': okAnswer({ body: Buffer.from(`"${'ä'.repeat(300_000)}"`) }),
  'that failed': {
    executionId,
    status: 422,
    headers: null,
    body: null,
    error: new NflowError('workflow_failed', 'no stock', {}),
  },
  'that was refused': {
    executionId: null,
    status: 503,
    headers: null,
    body: null,
    error: new NflowError('pool_exhausted', 'every VM is busy', {}),
  },
};
for (const [what, answer] of Object.entries(answers)) {
  test(`both ways answer the same: an answer ${what}`, async () => {
    await using under = await startServer({ triggers });
    under.engine.answerWith = () => answer;
    const bytes = request('GET /api/a HTTP/1.1', []);
    assert.deepEqual(await shortWay(under, bytes), await longWay(under, bytes));
  });
}

test('the short way is taken by plain requests, one after another on a connection, and left for good', async () => {
  await using under = await startServer({ triggers });
  using client = await RawClient.connect(under.port);
  for (const [bytes, isShort] of [
    [request('GET /api/a HTTP/1.1', []), true],
    [request('POST /api/a HTTP/1.1', [json], '1'), true],
    [request('GET /api/a HTTP/1.1', ['Origin: http://x']), false],
    [request('GET /api/a HTTP/1.1', []), false],
  ] as const) {
    client.send(bytes);
    const answer = await client.answer();
    assert.equal(answer.status, 200);
    assert.equal(!answer.headers.has('keep-alive'), isShort);
  }
  assert.equal(under.engine.requests.length, 4);
});

test('a client that pipelines while its request is open gets its answers in order', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = null;
  using client = await RawClient.connect(under.port);
  client.send(request('GET /api/a?n=1 HTTP/1.1', []));
  await waitFor(() => under.engine.pending.length === 1, 'the first request');
  client.send(request('GET /api/a?n=2 HTTP/1.1', []));
  client.send(request('GET /api/a?n=3 HTTP/1.1', []));
  under.engine.pending.splice(0)[0]?.(okAnswer({ body: Buffer.from('1') }));
  under.engine.answerWith = ({ inputJson }) => okAnswer({ body: Buffer.from(JSON.parse(inputJson).query.n) });
  for (const body of ['1', '2', '3']) assert.equal((await client.answer()).body, body);
});

test('a client that pipelines without end is not read on', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = null;
  using client = await RawClient.connect(under.port);
  client.send(request('GET /api/a HTTP/1.1', []));
  await waitFor(() => under.engine.pending.length === 1, 'the first request');
  const flood = Buffer.alloc(1024 * 1024, 'x');
  for (let i = 0; i < 64; i++) client.send(flood);
  // What the kernel holds for two sockets is a few megabytes: most of the flood stays with the client.
  await assert.rejects(waitFor(() => client.socket.writableLength < 32 * flood.length, 'the flood to be read', 500));
  under.engine.pending.splice(0)[0]?.(okAnswer());
  assert.equal((await client.answer()).status, 200);
});

test('a client that leaves is noticed while its request is open', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = null;
  const client = await RawClient.connect(under.port);
  client.send(request('GET /api/a HTTP/1.1', []));
  await waitFor(() => under.engine.pending.length === 1, 'the request');
  client.socket.destroy();
  await waitFor(() => under.engine.left === 1, 'the engine to be told');
  under.engine.pending.splice(0)[0]?.(okAnswer());
  assert.equal(under.server.inflightBytes, 0);
});

const longAnswerSize = 12 * 1024 * 1024;

test('a client that does not read its answer holds its bytes, and only its own connection', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = () => okAnswer({ body: Buffer.alloc(longAnswerSize, '1') });
  using slow = await RawClient.connect(under.port);
  slow.socket.pause();
  slow.send(request('GET /api/a HTTP/1.1', []));
  await waitFor(() => under.server.inflightBytes > longAnswerSize, 'the answer to be held');
  under.engine.answerWith = () => okAnswer();
  using quick = await RawClient.connect(under.port);
  quick.send(request('GET /api/a HTTP/1.1', []));
  assert.equal((await quick.answer()).status, 200);
  slow.socket.resume();
  assert.equal((await slow.answer()).body.length, longAnswerSize);
  await waitFor(() => under.server.inflightBytes === 0, 'the bytes to be given back');
});
