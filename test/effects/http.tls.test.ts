import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { answerOf, failureOf, httpEffect, send } from './calls.ts';
import { startHttpServer } from './servers.ts';
import { testCertificatePem, testKeyPem } from './tls-certificate.ts';

const server = createServer({ key: testKeyPem, cert: testCertificatePem });
const names: (string | false | null)[] = [];
let port = 0;

before(async () => {
  server.on('request', (request, response) => {
    names.push((request.socket as TLSSocket & { servername?: string | false }).servername ?? null);
    if (request.url === '/down') response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end();
    else response.end(request.headers.host);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const effectFor = () => httpEffect({ resolve: async () => ['127.0.0.1'] });

test('a certificate that nobody vouches for is refused, also when the environment says to accept it', async () => {
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    using effect = effectFor();
    const failure = failureOf(await send(effect, { url: `https://stock.test:${port}/` }));
    assert.equal(failure.reason, 'tls');
    assert.equal(failure.retryable, false);
    assert.match(failure.message, /certificate is valid for stock\.test/);
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
  }
  assert.deepEqual(names, []);
});

test('with a trusted certificate', async (t) => {
  const usual = getCACertificates('default');
  setDefaultCACertificates([...usual, testCertificatePem]);
  t.after(() => setDefaultCACertificates(usual));

  await t.test('the connection goes to the checked address, SNI and Host say the name', async () => {
    using effect = effectFor();
    const answer = answerOf(await send(effect, { url: `https://stock.test:${port}/` }));
    assert.equal(answer.bodyText, `stock.test:${port}`);
    assert.equal(names.at(-1), 'stock.test');
  });

  await t.test('the connection is kept and used again', async () => {
    using effect = effectFor();
    let accepted = 0;
    const count = () => accepted++;
    server.on('secureConnection', count);
    for (let i = 0; i < 3; i++) answerOf(await send(effect, { method: 'POST', url: `https://stock.test:${port}/` }));
    server.off('secureConnection', count);
    assert.equal(accepted, 1);
  });

  await t.test('a certificate for another name is refused', async () => {
    using effect = effectFor();
    const failure = failureOf(await send(effect, { url: `https://other.test:${port}/` }));
    assert.equal(failure.reason, 'tls');
    assert.match(failure.message, /ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  await t.test('an address is compared with the addresses of the certificate', async () => {
    using effect = effectFor();
    assert.equal(answerOf(await send(effect, { url: `https://127.0.0.1:${port}/` })).status, 200);
    assert.equal(names.at(-1), false);
  });

  await t.test('a redirect from https to http is not followed', async () => {
    using effect = effectFor();
    const failure = failureOf(await send(effect, { url: `https://stock.test:${port}/down` }));
    assert.equal(failure.reason, 'redirect');
    assert.match(failure.message, /from https to http/);
  });
});

test('https to a port that speaks no TLS is a tls failure', async () => {
  await using plain = await startHttpServer((_request, response) => response.end());
  using effect = effectFor();
  const failure = failureOf(await send(effect, { url: `https://stock.test:${plain.port}/` }));
  assert.equal(failure.reason, 'tls');
  assert.match(failure.message, /speaks TLS there/);
});
