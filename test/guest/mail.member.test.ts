import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, Guest, programOf } from '../support/vm.ts';

function issued(source: string): unknown[] {
  using guest = new Guest(programOf([codeNode('only', source)]));
  const waits = guest.start();
  assert.ok(waits.kind === 'waits', JSON.stringify(waits));
  return waits.effects[0] as unknown[];
}

test('ctx.mail.send issues one call with canonical arguments, and how it is made beside it', () => {
  const [path, , seq, kind, argumentsJson, optionsJson] = issued(
    "return ctx.mail.send({ subject: 's', to: 'a@b.c', retry: { attempts: 2 }, text: 't', unknown: 1 });",
  );
  assert.deepEqual([path, seq, kind], ['only', 1, 'mail']);
  assert.equal(argumentsJson, '{"to":"a@b.c","subject":"s","text":"t"}');
  const { timeoutMs, retry } = JSON.parse(String(optionsJson));
  assert.deepEqual([timeoutMs, retry.attempts], [30_000, 2]);
});

test('what is no plain data fails the call with its place', () => {
  using guest = new Guest(
    programOf([codeNode('only', 'return ctx.mail.send({ to: "a@b.c", subject: "s", text: () => 1 });')]),
  );
  const answer = guest.start();
  assert.ok(answer.kind === 'failed');
  assert.match(String(answer.error.message), /the mail\.text is a function/);
});
