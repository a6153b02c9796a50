import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPlainRequest } from '../../src/server/plain-request.ts';

const urlSizeMax = 8 * 1024;
const headerSizeMax = 16 * 1024;
const read = (text: string | Buffer) =>
  readPlainRequest(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, urlSizeMax, headerSizeMax);

test('a whole request is read with its address, headers and body', () => {
  const text =
    'POST /api/orders/7?n=1&m=%20 HTTP/1.1\r\nHost: x:8080\r\nX-Two-Words: a b\t c \r\nEmpty:\r\ncontent-length: 3\r\n\r\nabc';
  const request = read(text);
  assert.ok(request !== null);
  const { method, path, query, headers, bodyAt } = request;
  assert.deepEqual({ method, path, query }, { method: 'POST', path: '/api/orders/7', query: 'n=1&m=%20' });
  assert.deepEqual({ ...headers }, { host: 'x:8080', 'x-two-words': 'a b\t c', empty: '', 'content-length': '3' });
  assert.equal(Object.getPrototypeOf(headers), null, 'a header cannot find what objects inherit');
  assert.equal(text.slice(bodyAt), 'abc');
});

test('a request without a body, and one whose query is empty', () => {
  assert.equal(read('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')?.query, '');
  assert.equal(read('GET /a? HTTP/1.1\r\nHost: x\r\n\r\n')?.query, '');
  assert.equal(read('GET /a HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n')?.path, '/a');
});

const head = 'POST /a HTTP/1.1\r\nHost: x\r\n';
const notPlain: Record<string, string> = {
  'nothing at all': '',
  'a head that is not whole': 'GET /a HTTP/1.1\r\nHost: x\r\n',
  'a body that is not whole': `${head}Content-Length: 4\r\n\r\nabc`,
  'bytes behind the body': `${head}Content-Length: 2\r\n\r\nabc`,
  'bytes behind a request without a body': `${head}\r\nabc`,
  'two requests in one packet': 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2),
  'another method': 'HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n',
  'a method in lower case': 'get /a HTTP/1.1\r\nHost: x\r\n\r\n',
  'another version': 'GET /a HTTP/1.0\r\nHost: x\r\n\r\n',
  'no version': 'GET /a\r\nHost: x\r\n\r\n',
  'an absolute address': 'GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n',
  'the address *': 'GET * HTTP/1.1\r\nHost: x\r\n\r\n',
  'a fragment': 'GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n',
  'a fragment behind the query': 'GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n',
  'a space in the address': 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  'a control character in the address': 'GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n',
  'a byte over 127 in the address': 'GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n',
  'lines that end without a carriage return': 'GET /a HTTP/1.1\nHost: x\n\r\n\r\n',
  'a bare line feed in a value': `${head}X: a\nTransfer-Encoding: chunked\r\n\r\n`,
  'a bare carriage return in a value': `${head}X: a\rb\r\n\r\n`,
  'a folded header': `${head}X: a\r\n b\r\n\r\n`,
  'a space before the colon': `${head}Content-Length : 0\r\n\r\n`,
  'a header without a name': `${head}: a\r\n\r\n`,
  'a header without a colon': `${head}abc\r\n\r\n`,
  'a NUL in a value': `${head}X: \0\r\n\r\n`,
  'a byte over 127 in a value': `${head}X: \xe4\r\n\r\n`,
  'no host': 'GET /a HTTP/1.1\r\nX: y\r\n\r\n',
  'no header': 'GET /a HTTP/1.1\r\n\r\n',
  'a header twice': `${head}X: 1\r\nx: 2\r\n\r\n`,
  'the content length twice': `${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`,
  'a content length with a sign': `${head}Content-Length: +3\r\n\r\nabc`,
  'a content length in hexadecimal': `${head}Content-Length: 0x3\r\n\r\nabc`,
  'two content lengths in one': `${head}Content-Length: 3, 3\r\n\r\nabc`,
  'no content length': `${head}Content-Length:\r\n\r\n`,
  'a transfer encoding': `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a transfer encoding beside the content length': `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a connection that ends': `${head}Connection: close\r\n\r\n`,
  'an upgrade': `${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  'a client that waits for 100 Continue': `${head}Expect: 100-continue\r\nContent-Length: 0\r\n\r\n`,
  'an encoded body': `${head}Content-Encoding: gzip\r\n\r\n`,
  'a page of another origin': `${head}Origin: http://elsewhere\r\n\r\n`,
  'an idempotency key': `${head}Idempotency-Key: 1\r\n\r\n`,
  'a preference': `${head}Prefer: respond-async\r\n\r\n`,
  'an address over the limit': `GET /${'a'.repeat(urlSizeMax)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  'headers over the limit': `${head}X: ${'a'.repeat(headerSizeMax)}\r\n\r\n`,
};
for (const [what, text] of Object.entries(notPlain)) {
  test(`not of the plain form: ${what}`, () => assert.equal(read(text), null));
}

test('no byte of a plain request can be cut off or doubled unnoticed', () => {
  const whole = 'POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\r\n\r\n12345';
  assert.ok(read(whole) !== null);
  for (let size = 0; size < whole.length; size++)
    assert.equal(read(whole.slice(0, size)), null, `the first ${size} bytes`);
  for (let byte = 0; byte < 256; byte++) {
    assert.equal(read(Buffer.concat([Buffer.from(whole), Buffer.from([byte])])), null, `byte ${byte} behind it`);
  }
});
