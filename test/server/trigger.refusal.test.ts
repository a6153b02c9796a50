import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  httpTrigger,
  okAnswer,
  type RawAnswer,
  RawClient,
  type ServerUnderTest,
  startServer,
  waitFor,
} from './server-under-test.ts';

const limits = { bodySizeMax: 2000, headerSizeMax: 2000, urlSizeMax: 300, jsonDepthMax: 5, maxInflightBytes: 40_000 };

let under: ServerUnderTest;
before(async () => {
  under = await startServer({
    limits,
    triggers: [
      { trigger: httpTrigger() },
      { trigger: httpTrigger({ method: 'GET', path: '/page/:name' }) },
      { trigger: httpTrigger({ method: 'PUT', path: '/page/:name' }) },
    ],
  });
});
after(() => under[Symbol.asyncDispose]());

const json = 'Content-Type: application/json\r\n';

interface Refusal {
  name: string;
  request: string;
  status: number;
  code: string;
  /** The connection serves another request afterwards. Default true. */
  isKept?: boolean;
  headers?: Record<string, string>;
}

const post = (headers: string, body: string): string =>
  `POST /api/echo HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const refusals: Refusal[] = [
  { name: 'an unknown address', request: 'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n', status: 404, code: 'not_found' },
  {
    name: 'an unknown address with a body',
    request: post(json, '1').replace('/api/echo', '/nothing'),
    status: 404,
    code: 'not_found',
  },
  {
    name: 'a public address that does not exist yet',
    request: 'GET /_nflow/runs/1 HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 404,
    code: 'not_found',
  },
  {
    name: 'another method',
    request: 'DELETE /page/a HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 405,
    code: 'method_not_allowed',
    headers: { allow: 'GET, PUT' },
  },
  {
    name: 'HEAD of a workflow with effects',
    request: 'HEAD /page/a HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 405,
    code: '',
    headers: { allow: 'GET, PUT' },
  },
  {
    name: 'a broken percent sign in the path',
    request: 'GET /page/%zz HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 400,
    code: 'invalid_input',
  },
  {
    name: 'bytes in the path that are no UTF-8',
    request: 'GET /page/%ff HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 400,
    code: 'invalid_input',
  },
  {
    name: 'a broken percent sign in the query',
    request: 'GET /page/a?x=%zz HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 400,
    code: 'invalid_input',
  },
  {
    name: 'a broken form',
    request: post('Content-Type: application/x-www-form-urlencoded\r\n', 'a=%'),
    status: 400,
    code: 'bad_body',
  },
  {
    name: 'a form of too many fields',
    request: post('Content-Type: application/x-www-form-urlencoded\r\n', 'a&'.repeat(1000)),
    status: 200,
    code: '',
  },
  {
    name: 'JSON that is no UTF-8',
    request: `POST /api/echo HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 3\r\n\r\n"\xff"`,
    status: 400,
    code: 'bad_body',
  },
  { name: 'JSON that nests too deep', request: post(json, '[[[[[[1]]]]]]'), status: 400, code: 'bad_body' },
  {
    name: 'JSON that nests as deep as allowed, with brackets in texts',
    request: post(json, '[[[[["[[[[[[\\"[["]]]]]'),
    status: 200,
    code: '',
  },
  {
    name: 'a multipart body',
    request: post('Content-Type: multipart/form-data; boundary=x\r\n', '--x--'),
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'another charset',
    request: post('Content-Type: application/json; charset=iso-8859-1\r\n', '1'),
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'a compressed body',
    request: post(`${json}Content-Encoding: gzip\r\n`, 'x'),
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'an asynchronous answer',
    request: post(`${json}Prefer: wait=5, respond-async\r\n`, '1'),
    status: 501,
    code: 'not_available',
  },
  {
    name: 'an idempotency key',
    request: post(`${json}Idempotency-Key: k\r\n`, '1'),
    status: 501,
    code: 'not_available',
  },
  {
    name: 'a call of a workflow that may have been sent before under its key',
    request: post(`${json}Idempotency-Key: k\r\nnflow-effect: later\r\n`, '1'),
    status: 501,
    code: 'not_available',
  },
  {
    name: 'a call of a workflow that was never sent before under its key',
    request: post(`${json}Idempotency-Key: k\r\nnflow-effect: first\r\n`, '1'),
    status: 200,
    code: '',
  },
  {
    name: 'a body that says it is too large',
    request: post(json, 'x'.repeat(2001)),
    status: 413,
    code: 'body_too_large',
  },
  {
    name: 'a body that says it is far too large, before it is sent',
    request: `POST /api/echo HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 99999999\r\n\r\n`,
    status: 413,
    code: 'body_too_large',
    isKept: false,
  },
  {
    name: 'a client that asks before it sends too much',
    request: `POST /api/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${json}Content-Length: 5000\r\n\r\n`,
    status: 413,
    code: 'body_too_large',
    isKept: false,
  },
  {
    name: 'a body in chunks that grows too large',
    request: `POST /api/echo HTTP/1.1\r\nHost: x\r\n${json}Transfer-Encoding: chunked\r\n\r\n${`3e8\r\n${'x'.repeat(1000)}\r\n`.repeat(3)}`,
    status: 413,
    code: 'body_too_large',
    isKept: false,
  },
  {
    name: 'an address that is too long',
    request: `GET /${'x'.repeat(300)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    status: 414,
    code: 'uri_too_long',
    isKept: false,
  },
  {
    name: 'an address longer than any buffer',
    request: `GET /${'x'.repeat(5000)}`,
    status: 414,
    code: 'uri_too_long',
    isKept: false,
  },
  {
    name: 'headers that are too large',
    request: `GET /page/a HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(2000)}\r\n\r\n`,
    status: 431,
    code: 'headers_too_large',
    isKept: false,
  },
  {
    name: 'headers larger than any buffer',
    request: `GET /page/a HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(5000)}`,
    status: 431,
    code: 'headers_too_large',
    isKept: false,
  },
  { name: 'no Host', request: 'GET /page/a HTTP/1.1\r\n\r\n', status: 400, code: 'invalid_input', isKept: false },
  {
    name: 'an address without a slash',
    request: 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    status: 400,
    code: 'invalid_input',
    isKept: false,
  },
  {
    name: 'no HTTP at all',
    request: '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03',
    status: 400,
    code: 'invalid_input',
    isKept: false,
  },
  {
    name: 'a length beside chunks',
    request: `POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
    code: 'invalid_input',
    isKept: false,
  },
  {
    name: 'a length that is none',
    request: 'POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    status: 400,
    code: 'invalid_input',
    isKept: false,
  },
  {
    name: 'a line break in a header',
    request: 'GET /page/a HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n',
    status: 400,
    code: 'invalid_input',
    isKept: false,
  },
  {
    name: 'broken chunks',
    request: 'POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    status: 400,
    code: 'invalid_input',
    isKept: false,
  },
];

for (const { name, request, status, code, isKept = true, headers = {} } of refusals) {
  test(`${name} is answered ${status} ${code}`, async () => {
    using client = await RawClient.connect(under.port);
    client.send(Buffer.from(request, 'latin1'));
    const answer = await client.answer(request.startsWith('HEAD'));
    assert.equal(answer.status, status, answer.body);
    for (const [header, value] of Object.entries(headers)) assert.equal(answer.headers.get(header), value);
    if (code !== '') assertProblem(answer, code);
    if (isKept) {
      client.send('GET /page/a HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.equal((await client.answer()).status, 200, 'the connection goes on');
    } else {
      assert.equal(answer.headers.get('connection'), 'close');
      client.socket.end();
      await client.ended();
    }
    assert.equal(client.unread, 0, 'nothing follows the answer');
  });
}

function assertProblem(answer: RawAnswer, code: string): void {
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  const problem = JSON.parse(answer.body) as Record<string, unknown>;
  assert.equal(problem.code, code);
  assert.equal(problem.type, `urn:nflow:error:${code}`);
  assert.equal(problem.status, answer.status);
  assert.equal(problem.requestId, answer.headers.get('nflow-request-id'));
  assert.ok(typeof problem.detail === 'string' && typeof problem.title === 'string');
}

test('a refused request never reaches the engine, and is counted by its code', async () => {
  const before = under.engine.requests.length;
  await fetch(`${under.origin}/nothing`);
  await fetch(`${under.origin}/api/echo`, { method: 'POST', headers: { 'idempotency-key': 'k' } });
  assert.equal(under.engine.requests.length, before);
  const { text } = await under.metrics.expose();
  assert.match(text, /nflow_rejected_total\{code="not_available"\} \d/);
  assert.match(text, /nflow_http_requests_total\{status="404"\} \d/);
});

test('above the bytes in flight requests are refused with 503 and Retry-After, below they go on', async () => {
  const { engine } = under;
  engine.answerWith = null;
  const clients = await Promise.all(Array.from({ length: 12 }, () => RawClient.connect(under.port)));
  try {
    for (const client of clients) client.send(post(json, `"${'x'.repeat(1000)}"`));
    await waitFor(() => engine.pending.length === 7, 'what fits into 40,000 bytes');
    let answered = 0;
    const answers = Promise.all(
      clients.map(async (client) => {
        const answer = await client.answer();
        answered++;
        return answer;
      }),
    );
    await waitFor(() => answered === 5, 'the refusals');
    for (const answerNow of engine.pending.splice(0)) answerNow(okAnswer());
    const byStatus = Map.groupBy(await answers, ({ status }) => status);
    assert.equal(byStatus.get(200)?.length, 7);
    for (const refused of byStatus.get(503) ?? []) {
      assertProblem(refused, 'queue_full');
      assert.equal(refused.headers.get('retry-after'), '1');
    }
    await waitFor(() => under.server.inflightBytes === 0, 'the bytes to be given back');
  } finally {
    engine.answerWith = () => okAnswer();
    for (const client of clients) client[Symbol.dispose]();
  }
});
