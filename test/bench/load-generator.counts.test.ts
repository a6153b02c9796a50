import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { type LoadOptions, runLoad } from '../../src/bench/load-generator.ts';

async function listen(t: TestContext, onRequest: RequestListener): Promise<number> {
  const server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function options(port: number, change: Partial<LoadOptions> = {}): LoadOptions {
  return {
    host: '127.0.0.1',
    port,
    paths: ['/'],
    method: 'POST',
    body: '{"n":1}',
    connections: 3,
    warmUpMs: 50,
    durationMs: 200,
    expected: { status: 200, body: 'yes' },
    ...change,
  };
}

test('every answer is counted, and no connection has two requests under way', async (t) => {
  let served = 0;
  let underWay = 0;
  let underWayMost = 0;
  const bodies = new Set<string>();
  const firstThree: (() => void)[] = [];
  const port = await listen(t, (request, response) => {
    underWay++;
    underWayMost = Math.max(underWayMost, underWay);
    request.setEncoding('utf8').on('data', (text: string) => bodies.add(text));
    request.on('end', () => {
      const answer = (): void => {
        underWay--;
        served++;
        response.end('yes');
      };
      // The first ones wait for each other: so all connections are known to be in use at once.
      if (served > 0) answer();
      else if (firstThree.push(answer) === 3) for (const one of firstThree) one();
    });
  });
  const result = await runLoad(options(port));
  assert.equal(result.errors, 0, String(result.firstError));
  assert.ok(result.answers > 0 && result.answers <= served, `${result.answers} of ${served}`);
  assert.equal(underWayMost, 3);
  assert.deepEqual([...bodies], ['{"n":1}']);
  assert.ok(result.p50Ms > 0 && result.p50Ms <= result.p99Ms);
});

test('a wrong status and a wrong body are errors, and the first is told', async (t) => {
  const wrongStatus = await listen(t, (_request, response) =>
    response.writeHead(503, { 'content-length': 4 }).end('busy'),
  );
  const status = await runLoad(options(wrongStatus, { method: 'GET', body: '' }));
  assert.ok(status.errors >= status.answers && status.errors > 0);
  assert.equal(status.firstError, 'got 503 busy, expected 200 yes');
  const wrongBody = await listen(t, (_request, response) => response.end('no'));
  const body = await runLoad(options(wrongBody, { method: 'GET', body: '' }));
  assert.equal(body.firstError, 'got 200 no, expected 200 yes');
});

test('a lost connection is an error, and another one is opened', async (t) => {
  let requests = 0;
  const port = await listen(t, (request, response) => {
    request.resume();
    if (requests++ === 5) request.socket.destroy();
    else response.end('yes');
  });
  const result = await runLoad(options(port, { connections: 1, durationMs: 400 }));
  assert.equal(result.errors, 1);
  assert.match(String(result.firstError), /closed the connection|ECONNRESET/);
  assert.ok(requests > 10, `only ${requests} requests after the loss`);
});

test('a server that is not there is an error, not a hang', async () => {
  const result = await runLoad(options(1, { durationMs: 100 }));
  assert.equal(result.answers, 0);
  assert.ok(result.errors > 0);
});

test('a number of requests ends the load, each address in turn and each answer counted', async (t) => {
  const served: Record<string, number> = {};
  const port = await listen(t, (request, response) => {
    request.resume();
    served[String(request.url)] = (served[String(request.url)] ?? 0) + 1;
    response.end('yes');
  });
  const result = await runLoad(
    options(port, { paths: ['/a', '/a', '/b'], requests: 100, warmUpMs: 0, durationMs: 60_000 }),
  );
  assert.equal(result.errors, 0, String(result.firstError));
  assert.equal(result.answers, 100);
  assert.deepEqual(served, { '/a': 67, '/b': 33 });
});

test('a number of requests that nobody takes ends with its time', async () => {
  const result = await runLoad(options(1, { requests: 100, warmUpMs: 0, durationMs: 100 }));
  assert.equal(result.answers, 0);
  assert.ok(result.errors > 0);
});
