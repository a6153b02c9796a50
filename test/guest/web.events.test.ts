import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSameAsNode } from '../support/same-as-node.ts';
import { codeNode, evaluate, failure, Guest, programOf } from '../support/vm.ts';

test('events are dispatched and signals abort as in Node', async () => {
  await assertSameAsNode(`
    const out = [];
    const target = new EventTarget();
    const listener = (event) => out.push(event.type, event.target === target, event.eventPhase, event.detail);
    target.addEventListener('a', listener); target.addEventListener('a', listener);
    target.addEventListener('a', { handleEvent: (event) => { out.push('object'); event.preventDefault(); } }, { once: true });
    out.push(target.dispatchEvent(new CustomEvent('a', { detail: { x: 1 }, cancelable: true })), target.dispatchEvent(new Event('a')));
    target.removeEventListener('a', listener); out.push(target.dispatchEvent(new Event('a')));
    const controller = new AbortController();
    const { signal } = controller;
    const inner = new AbortController();
    const any = AbortSignal.any([signal, inner.signal]);
    target.addEventListener('b', () => out.push('never'), { signal });
    signal.onabort = (event) => out.push('onabort', event.type);
    signal.addEventListener('abort', () => out.push('abort'), { once: true });
    out.push(signal.aborted, String(signal.reason));
    controller.abort(); controller.abort('again');
    target.dispatchEvent(new Event('b'));
    out.push(signal.aborted, signal.reason.name, signal.reason.code, any.aborted, any.reason === signal.reason);
    try { signal.throwIfAborted(); } catch (error) { out.push(error.name, error instanceof DOMException, error instanceof Error); }
    out.push(AbortSignal.abort('why').reason, Object.prototype.toString.call(signal), Object.prototype.toString.call(controller));
    try { new AbortSignal(); } catch (error) { out.push(error.name); }
    const error = new DOMException('m', 'DataCloneError'); out.push(error.name, error.message, error.code, DOMException.DATA_CLONE_ERR, String(error));
    return out;`);
});

test('what a listener throws ends the step with that error, in code that never waits too', () => {
  const source = `
    const target = new EventTarget();
    target.addEventListener('a', () => { throw new TypeError('in a listener'); });
    target.dispatchEvent(new Event('a'));
    return 'went on';`;
  for (const async of [true, false]) {
    const error = failure(source, async);
    assert.deepEqual(
      [error.code, error.name, error.message, error.line],
      ['node_failed', 'TypeError', 'in a listener', 3],
    );
  }
});

test('timers leave as timers, fire once each, and are forgotten with their step', () => {
  const source = `
    const order = [];
    setTimeout((a, b) => order.push('first', a, b), 10, 1, 2);
    const never = setTimeout(() => order.push('never'), 5);
    clearTimeout(never);
    const before = [Date.now(), performance.now()];
    await new Promise((done) => setTimeout(done, 20));
    return { order, waited: Date.now() - before[0], now: performance.now() - before[1] };`;
  using guest = new Guest(programOf([codeNode('only', source)]));
  const started = guest.start();
  assert.ok(started.kind === 'waits');
  // The one that was cleared in the segment that set it never leaves.
  assert.deepEqual(started.effects, [
    ['only', 1, -1, 'timer', '10'],
    ['only', 1, -3, 'timer', '20'],
  ]);
  const first = guest.deliver(started.run, 'only', -1, 'null', { timeMs: 1_700_000_000_010 });
  assert.equal(first.kind, 'waits');
  const again = guest.deliver(started.run, 'only', -1, 'null', { timeMs: 1_700_000_000_011 });
  assert.equal(again.kind, 'waits');
  const end = guest.deliver(started.run, 'only', -3, 'null', { timeMs: 1_700_000_000_020 });
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, { order: ['first', 1, 2], waited: 20, now: 20 });
});

test('an interval fires until it is cleared, from its own callback too', () => {
  const source = `
    let turns = 0;
    return await new Promise((done) => { const id = setInterval(() => { if (++turns === 3) { clearInterval(id); done([id, turns]); } }, 7); });`;
  using guest = new Guest(programOf([codeNode('only', source)]));
  let answer = guest.start() as ReturnType<Guest['deliver']>;
  const seqs: unknown[] = [];
  while (answer.kind === 'waits') {
    const [timer] = answer.effects;
    seqs.push(timer?.[2]);
    answer = guest.deliver(1, 'only', Number(timer?.[2]), 'null');
  }
  assert.ok(answer.kind === 'ended');
  assert.deepEqual(
    [answer.output, seqs],
    [
      [1, 3],
      [-1, -2, -3],
    ],
  );
});

test('a timer of more than a second is an effect, and clearing it takes that back', () => {
  const source = `
    const long = setTimeout(() => {}, 5000);
    await new Promise((done) => setTimeout(done, 2000));
    clearTimeout(long);
    await new Promise((done) => setTimeout(done, 3));`;
  using guest = new Guest(programOf([codeNode('only', source)]));
  const started = guest.start();
  assert.ok(started.kind === 'waits');
  assert.deepEqual(started.effects, [
    ['only', 1, 1, 'sleep', '{"ms":5000}'],
    ['only', 1, 2, 'sleep', '{"ms":2000}'],
  ]);
  const next = guest.deliver(started.run, 'only', 2, 'null');
  assert.ok(next.kind === 'waits');
  assert.deepEqual(next.effects, [
    ['only', 1, 1, 'cancel', ''],
    ['only', 1, -3, 'timer', '3'],
  ]);
});

test('an error in a callback ends the step; too many timers are an error that says so', () => {
  using guest = new Guest(
    programOf([
      codeNode('only', 'setTimeout(() => { throw new RangeError("late"); }, 1); await new Promise(() => {});'),
    ]),
  );
  const started = guest.start();
  const end = guest.deliver(started.run, 'only', -1, 'null');
  assert.deepEqual(end.kind === 'failed' && [end.error.name, end.error.message, end.error.line], [
    'RangeError',
    'late',
    1,
  ]);
  assert.match(String(failure('for (;;) setTimeout(() => {}, 1);').message), /1000 timers at a time/);
  assert.match(String(failure('setTimeout("code", 1); await 1;').message), /needs a function; got string/);
});

test('micro-tasks run in order, and what one throws ends the step', () => {
  const source = 'const out = []; queueMicrotask(() => out.push(2)); out.push(1); await null; await null; return out;';
  assert.deepEqual(evaluate(source), [1, 2]);
  const error = failure('queueMicrotask(() => { throw new Error("micro"); }); await new Promise(() => {});');
  assert.equal(error.message, 'micro');
});
