import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf, failureOf, httpEffect, send } from './calls.ts';
import { startDnsServer } from './dns-server.ts';
import { startHttpServer } from './servers.ts';

test('a name that answers differently the second time is still connected to at its checked address', async () => {
  // Only the first address is allowed: a second look-up anywhere on the way would lead to the second server.
  await using trusted = await startHttpServer((_request, response) => response.end('trusted'));
  await using dns = await startDnsServer((_name, asked) => [asked === 0 ? '127.0.0.1' : '127.0.0.2']);
  using effect = httpEffect({ allow: ['127.0.0.1'], resolve: dns.resolve });
  const answer = answerOf(await send(effect, { url: `http://rebind.test:${trusted.port}/` }));
  assert.equal(answer.bodyText, 'trusted');
  assert.deepEqual(dns.questions, ['rebind.test']);
  assert.equal(trusted.requests[0]?.headers.host, `rebind.test:${trusted.port}`);
});

test('a kept connection is not used once the name points elsewhere', async () => {
  await using first = await startHttpServer((_request, response) => response.end('first'));
  const answers = ['127.0.0.1', '127.0.0.1', '127.0.0.2', '10.0.0.1'];
  await using dns = await startDnsServer((_name, asked) => [answers[asked] ?? '127.0.0.1']);
  using effect = httpEffect({ allow: ['127.0.0.1', '127.0.0.2'], resolve: dns.resolve });
  const url = `http://moving.test:${first.port}/`;
  answerOf(await send(effect, { url }));
  answerOf(await send(effect, { url }));
  assert.equal(first.accepted(), 1);
  // Nothing listens at the second address: with the kept connection the call would have been answered.
  assert.equal(failureOf(await send(effect, { url })).reason, 'connect');
  assert.equal(failureOf(await send(effect, { url })).reason, 'egress_denied');
  assert.equal(answerOf(await send(effect, { url })).bodyText, 'first');
  assert.equal(first.accepted(), 1);
});

test('a name with a public and a loopback address is refused before anything is connected', async () => {
  await using server = await startHttpServer((_request, response) => response.end('inside'));
  await using dns = await startDnsServer(() => ['93.184.216.34', '127.0.0.1']);
  using effect = httpEffect({ allow: [], resolve: dns.resolve });
  const failure = failureOf(await send(effect, { url: `http://mixed.test:${server.port}/` }));
  assert.equal(failure.reason, 'egress_denied');
  assert.match(failure.message, /one refused address refuses the name/);
  assert.equal(server.accepted(), 0);
});

test('of several checked addresses the next is tried when one does not answer', async () => {
  await using server = await startHttpServer((_request, response) => response.end('second'), '127.0.0.3');
  await using dns = await startDnsServer(() => ['127.0.0.2', '127.0.0.3']);
  using effect = httpEffect({ resolve: dns.resolve });
  const url = `http://two.test:${server.port}/`;
  assert.equal(answerOf(await send(effect, { url })).bodyText, 'second');
  assert.equal(answerOf(await send(effect, { url })).bodyText, 'second');
  assert.equal(server.accepted(), 1);
});

test('a redirect to a name is looked up and checked like the first address', async () => {
  await using server = await startHttpServer((_request, response) =>
    response.writeHead(302, { location: `http://inside.test:${server.port}/` }).end(),
  );
  await using dns = await startDnsServer((name) => [name === 'inside.test' ? '127.0.0.2' : '127.0.0.1']);
  using effect = httpEffect({ allow: ['127.0.0.1'], resolve: dns.resolve });
  const failure = failureOf(await send(effect, { url: `http://outside.test:${server.port}/` }));
  assert.equal(failure.reason, 'egress_denied');
  assert.deepEqual(dns.questions, ['outside.test', 'inside.test']);
});

test('a name that DNS does not know is a dns failure', async () => {
  await using dns = await startDnsServer(() => []);
  using effect = httpEffect({ resolve: dns.resolve });
  const failure = failureOf(await send(effect, { url: 'http://nowhere.test/' }));
  assert.equal(failure.reason, 'dns');
});
