import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { Config } from '../../src/config/config.ts';
import { answerOf, failureOf, httpEffect, send } from './calls.ts';
import { startHttpServer } from './servers.ts';
import { testCertificatePem, testKeyPem } from './tls-certificate.ts';

const tlsConfig: Config['tls'][string] = {
  ca: testCertificatePem,
  cert: null,
  key: null,
  serverName: null,
  minVersion: 'TLSv1.2',
  hosts: [],
  workflows: ['orders'],
};

async function listen(server: Server): Promise<AsyncDisposable & { port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A real forward proxy: it knows CONNECT, and nothing else. */
async function startProxy(credentials: string | null = null) {
  const asked: string[] = [];
  const server = createHttpServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    const expected = credentials === null ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    if (request.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const [host = '', port] = (request.url ?? '').split(/:(?=\d+$)/);
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.pipe(socket).pipe(target);
    });
    target.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    socket.on('error', () => target.destroy()).on('close', () => target.destroy());
  });
  return Object.assign(await listen(server), { asked });
}

async function startHttps(requestCert = false) {
  const names: unknown[] = [];
  const callers: boolean[] = [];
  const options = {
    key: testKeyPem,
    cert: testCertificatePem,
    ca: testCertificatePem,
    requestCert,
    maxVersion: 'TLSv1.2',
  };
  const server = createHttpsServer(
    { ...options, maxVersion: 'TLSv1.2', rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket & { servername?: unknown };
      names.push(socket.servername);
      callers.push(socket.authorized);
      response.end('secure');
    },
  );
  return Object.assign(await listen(server), { names, callers });
}

test('a proxy is asked for the address that was checked, never for the name', async () => {
  await using proxy = await startProxy();
  await using server = await startHttpServer((request, response) => response.end(request.headers.host));
  const resolve = async () => ['127.0.0.1'];
  using effect = httpEffect({ proxy: `http://127.0.0.1:${proxy.port}`, resolve, allow: ['stock.test'] });
  for (let call = 0; call < 2; call++) {
    const answer = answerOf(await send(effect, { url: `http://stock.test:${server.port}/` }));
    assert.equal(answer.bodyText, `stock.test:${server.port}`);
  }
  // The second call went over the kept tunnel.
  assert.deepEqual(proxy.asked, [`127.0.0.1:${server.port}`]);
  assert.equal(failureOf(await send(effect, { url: 'http://169.254.169.254/' })).reason, 'egress_denied');
  assert.equal(proxy.asked.length, 1);
});

test('TLS goes through the proxy end to end, with the name of the address', async () => {
  await using proxy = await startProxy('ada:open sesame');
  await using server = await startHttps();
  const origin = `https://stock.test:${server.port}`;
  const tls = { own: { ...tlsConfig, hosts: [`stock.test:${server.port}`] } };
  using effect = httpEffect({
    proxy: `http://ada:open%20sesame@127.0.0.1:${proxy.port}`,
    resolve: async () => ['127.0.0.1'],
    tls,
  });
  assert.equal(answerOf(await send(effect, { url: origin, tls: 'own' })).bodyText, 'secure');
  assert.deepEqual(server.names, ['stock.test']);
  assert.deepEqual(proxy.asked, [`127.0.0.1:${server.port}`]);
});

test('a proxy that refuses, or is not there, is told as such', async () => {
  await using proxy = await startProxy('ada:secret');
  using refused = httpEffect({ proxy: `http://127.0.0.1:${proxy.port}` });
  const failure = failureOf(await send(refused, { url: 'http://127.0.0.1:9/' }));
  assert.equal(failure.reason, 'connect');
  assert.match(failure.message, /\[http_client\] proxy\): it answered 407 to CONNECT/);
  const { port } = proxy;
  await proxy[Symbol.asyncDispose]();
  using gone = httpEffect({ proxy: `http://127.0.0.1:${port}` });
  assert.match(failureOf(await send(gone, { url: 'http://127.0.0.1:9/' })).message, /ECONNREFUSED/);
});

test('TLS settings: an own authority, a certificate of the caller, another name, a version', async () => {
  await using server = await startHttps(true);
  const hosts = [`127.0.0.1:${server.port}`];
  const tls = {
    plain: { ...tlsConfig, hosts },
    caller: { ...tlsConfig, hosts, cert: testCertificatePem, key: testKeyPem, serverName: 'stock.test' },
    newest: { ...tlsConfig, hosts, minVersion: 'TLSv1.3' as const },
    misnamed: { ...tlsConfig, hosts, serverName: 'other.test' },
    elsewhere: { ...tlsConfig, hosts: ['api.example.com'] },
    others: { ...tlsConfig, hosts, workflows: ['invoices'] },
  };
  using effect = httpEffect({ tls });
  const call = (name: string | null) => send(effect, { url: `https://127.0.0.1:${server.port}/`, tls: name });
  assert.equal(answerOf(await call('plain')).bodyText, 'secure');
  assert.equal(answerOf(await call('caller')).bodyText, 'secure');
  // A connection with another certificate is another one.
  assert.deepEqual(server.callers, [false, true]);
  assert.equal(server.names[1], 'stock.test');
  for (const name of [null, 'newest', 'misnamed', 'elsewhere', 'others', 'unknown']) {
    assert.equal(failureOf(await call(name)).reason, 'tls', String(name));
  }
  assert.equal(server.callers.length, 2);
});

test('TLS settings that hold no certificate are refused at the start', () => {
  for (const wrong of [
    { ca: '/nowhere/ca.pem' },
    { cert: testCertificatePem, key: '-----BEGIN PRIVATE KEY-----\nx' },
  ]) {
    assert.throws(() => httpEffect({ tls: { wrong: { ...tlsConfig, ...wrong } } }), { code: 'invalid_config' });
  }
});
