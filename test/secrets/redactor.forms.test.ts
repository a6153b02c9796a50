import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redactor } from '../../src/secrets/redactor.ts';
import { boundTo } from './calls.ts';

const value = 'pä55/w+rd "x"';
const redactor = new Redactor([boundTo('A', value), boundTo('B', 'abcdef'), boundTo('LONGER', 'abcdefghij')]);

test('the longer of two values that begin alike is what was meant', () => {
  assert.equal(redactor.text('abcdefghij abcdefghi'), '[secret LONGER] [secret B]ghi');
});

test('a value is found right after what looked like the beginning of one', () => {
  assert.equal(new Redactor([boundTo('A', 'aaaaaab')]).text('aaaaaaaaab'), 'aaa[secret A]');
});

test('a text without values is the same text, and JSON the same JSON', () => {
  const json = '{ "a" : "abcde", "b": 1.0 }';
  assert.equal(redactor.text('abcde'), 'abcde');
  assert.equal(redactor.json(json), json);
});

test('keys of the outermost object are the effect’s own', () => {
  const own = new Redactor([boundTo('S', 'status')]);
  assert.equal(own.json('{"status":"status","h":{"status":1}}'), '{"status":"[secret S]","h":{"[secret S]":1}}');
});

test('a value in a stream is found however the stream is cut', () => {
  const text = `start ${value} middle abcdefghij ${encodeURIComponent(value)} ${JSON.stringify(value)} end abcde`;
  const bytes = Buffer.from(text);
  const expected = 'start [secret A] middle [secret LONGER] [secret A] "[secret A]" end abcde';
  for (let size = 1; size <= bytes.length; size++) {
    const stream = redactor.stream();
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(stream.push(bytes.subarray(at, at + size)));
    pieces.push(stream.end());
    assert.equal(Buffer.concat(pieces).toString(), expected, `pieces of ${size}`);
  }
});

test('bytes that are no text pass a stream as they are', () => {
  const bytes = Buffer.from(Array.from({ length: 1024 }, (_, index) => 255 - (index & 255)));
  const stream = redactor.stream();
  assert.deepEqual(Buffer.concat([stream.push(bytes), stream.end()]), bytes);
});
