import assert from 'node:assert/strict';
import test from 'node:test';
import { ResponseReader } from '../../src/bench/response-reader.ts';

const answer = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}';

test('an answer is read however it is cut', () => {
  const reader = new ResponseReader();
  for (let first = 1; first < answer.length; first++) {
    for (let second = first + 1; second < answer.length; second += 7) {
      assert.equal(reader.push(Buffer.from(answer.slice(0, first))), null);
      assert.equal(reader.push(Buffer.from(answer.slice(first, second))), null);
      const response = reader.push(Buffer.from(answer.slice(second)));
      assert.equal(response?.status, 200);
      assert.equal(response?.body.toString(), '{"ok":true}');
    }
  }
});

test('an answer without a body is whole at the end of its head', () => {
  const response = new ResponseReader().push(Buffer.from('HTTP/1.1 204 No Content\r\n\r\n'));
  assert.equal(response?.status, 204);
  assert.equal(response?.body.length, 0);
});

test('what cannot be read is refused', () => {
  const push = (text: string) => new ResponseReader().push(Buffer.from(text));
  assert.throws(() => push('HTTP/1.1 200 OK\r\n\r\nbody'), /without Content-Length/);
  assert.throws(() => push('SSH-2.0-x\r\n\r\n'), /no HTTP\/1.1 status line/);
  assert.throws(() => push(`${answer}more`), /4 bytes after the answer/);
  assert.throws(() => push('x'.repeat(70_000)), /no end of the head/);
});

test('a whole answer with the expected body is known without its head being read, and nothing else is', () => {
  const body = Buffer.from('{"ok":true}');
  const isExpected = (text: string): boolean => new ResponseReader().isExpected(Buffer.from(text), body);
  assert.equal(isExpected(answer), true);
  for (const other of [
    answer.replace('200', '201'),
    answer.replace('true', 'fail'),
    answer.slice(0, -1),
    `${answer}\n`,
    `${answer}${answer}`,
    `${answer.slice(0, -11)}x{"ok":true}`,
    '{"ok":true}',
  ]) {
    assert.equal(isExpected(other), false, other);
  }
  const reader = new ResponseReader();
  assert.equal(reader.push(Buffer.from(answer.slice(0, 5))), null);
  assert.equal(reader.isExpected(Buffer.from(answer), body), false, 'the answer before it is not over');
});
