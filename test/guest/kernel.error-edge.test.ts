import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProgramNode, Template } from '../../src/protocol/program.ts';
import { codeNode, Guest, type GuestAnswer, programOf } from '../support/vm.ts';

/** A code node with an edge for its failure. */
function failing(name: string, source: string, onError: string, async = true): ProgramNode {
  return { ...codeNode(name, source, null, async), onError };
}

/** A code node that reads `error`. */
function target(name: string, source: string, next: string | null = null, async = false): ProgramNode {
  const node = codeNode(name, source, next, async) as Extract<ProgramNode, { type: 'code' }>;
  return { ...node, code: { ...node.code, uses: ['input', 'nodes', 'prev', 'error'] } };
}

function run(nodes: ProgramNode[]): GuestAnswer {
  using guest = new Guest(programOf(nodes));
  assert.equal(guest.loadError, '');
  return guest.start({ input: {} });
}

function outputOf(answer: GuestAnswer): unknown {
  assert.equal(answer.kind, 'ended', JSON.stringify(answer));
  return answer.kind === 'ended' ? answer.output : undefined;
}

const thrown = {
  code: 'node_failed',
  message: 'out of stock',
  node: 'check',
  reason: null,
  status: null,
  attempts: 1,
};

test('a failure goes on at the node that onError names, with the error and what the failed step had before it', () => {
  for (const async of [true, false]) {
    const answer = run([
      codeNode('begin', 'return 7;', 'check', false),
      failing('check', 'throw new Error("out of stock");', 'repair', async),
      target('repair', 'return [error, prev, typeof nodes.check];'),
    ]);
    assert.deepEqual(outputOf(answer), [thrown, 7, 'undefined']);
  }
});

test('the trace shows the failed step with its error, and what came after it', () => {
  const answer = run([failing('check', 'throw new Error("out of stock");', 'repair'), target('repair', 'return 1;')]);
  const steps = (answer.kind === 'ended' ? answer.trace : []) as unknown[][];
  assert.deepEqual(
    steps.map(([path, , status, , , output]) => [path, status, output]),
    [
      ['check', 0, thrown],
      ['repair', 1, undefined],
    ],
  );
});

test('error is there in the target alone', () => {
  const answer = run([
    failing('check', 'throw new Error("out of stock");', 'repair'),
    target('repair', 'return error.message;', 'after'),
    target('after', 'return [prev, typeof error];'),
  ]);
  assert.deepEqual(outputOf(answer), ['out of stock', 'undefined']);
});

test('expressions read it as well, and an edge may follow an edge', () => {
  const reads: Template = {
    kind: 'expression',
    expression: { source: 'error.node + ": " + error.message', pointer: '/field', uses: ['error'] },
  };
  const answer = run([
    failing('check', 'throw new Error("one");', 'again'),
    failing('again', 'throw new Error("two");', 'tell'),
    { name: 'tell', type: 'end', output: reads },
  ]);
  assert.deepEqual(outputOf(answer), 'again: two');
});

test('what an error says of itself as text or number is passed on, and nothing else of it', () => {
  const source = 'throw Object.assign(new Error("no"), { reason: "sold_out", status: 409, code: "mine", secret: {} });';
  const answer = run([failing('check', source, 'repair'), target('repair', 'return error;')]);
  assert.deepEqual(outputOf(answer), { ...thrown, message: 'no', reason: 'sold_out', status: 409 });
});

test('every way in which a step fails leads along the edge', () => {
  const ways: [string, string][] = [
    ['a result that is no JSON', 'return () => 1;'],
    ['a promise that nothing can settle', 'await new Promise(() => {});'],
    [
      'a listener that throws',
      'const t = new EventTarget(); t.addEventListener("x", () => { throw new Error("l"); }); t.dispatchEvent(new Event("x")); return 5;',
    ],
    [
      'a listener that throws, and then the code',
      'const t = new EventTarget(); t.addEventListener("x", () => { throw new Error("l"); }); t.dispatchEvent(new Event("x")); throw new Error("late");',
    ],
  ];
  for (const [what, source] of ways) {
    for (const isTargetAsync of [false, true]) {
      const answer = run([
        failing('check', source, 'repair'),
        target('repair', 'return error.node;', null, isTargetAsync),
      ]);
      assert.equal(outputOf(answer), 'check', what);
    }
  }
});

test('a failed effect tells its reason, status and attempts', () => {
  using guest = new Guest(
    programOf([failing('check', 'return ctx.http.post("http://x/");', 'repair'), target('repair', 'return error;')]),
  );
  const first = guest.start({ input: {} });
  const failed = {
    code: 'effect_failed',
    message: 'gone',
    reason: 'timeout',
    status: 451,
    retryable: true,
    attempts: 4,
  };
  const answer = guest.deliver(first.run, 'check', 1, JSON.stringify(failed), { ok: false });
  assert.deepEqual(outputOf(answer), {
    ...thrown,
    code: 'effect_failed',
    message: 'gone',
    reason: 'timeout',
    status: 451,
    attempts: 4,
  });
});

test('an answer that says no after several attempts tells its status and their number', () => {
  using guest = new Guest(
    programOf([failing('check', 'return ctx.http.get("http://x/");', 'repair'), target('repair', 'return error;')]),
  );
  const first = guest.start({ input: {} });
  const said = { attempts: 3, status: 503, headers: {}, bodyKind: 'none', bodyText: '' };
  const answer = guest.deliver(first.run, 'check', 1, JSON.stringify(said));
  assert.deepEqual(outputOf(answer), {
    ...thrown,
    code: 'effect_failed',
    message: 'GET http://x/ answered 503',
    status: 503,
    attempts: 3,
  });
});

test('a resumed run goes on at the same node with the same error', () => {
  const nodes = [
    codeNode('begin', 'return 7;', 'check', false),
    failing('check', 'throw new Error("out of stock");', 'repair'),
    target('repair', 'return [error.message, prev];', 'wait'),
    codeNode('wait', 'await ctx.http.get("http://x/"); return nodes.repair;'),
  ];
  using guest = new Guest(programOf(nodes));
  const first = guest.start({ input: {} });
  assert.equal(first.kind, 'waits');
  const finished = first.kind === 'waits' ? first.finished : [];
  assert.equal(finished.length, 3);
  for (const kept of [2, 3]) {
    using other = new Guest(programOf(nodes));
    const again = other.start({ resume: { finished: finished.slice(0, kept), elapsedUs: 10 } });
    assert.equal(again.kind, 'waits');
    const answer = other.deliver(again.run, 'wait', 1, JSON.stringify({ status: 200, headers: {}, bodyKind: 'none' }));
    assert.deepEqual(outputOf(answer), ['out of stock', 7]);
    const steps = (answer.kind === 'ended' ? answer.trace : []) as unknown[][];
    assert.deepEqual(
      steps.map(([path, , status]) => `${path} ${status}`),
      ['begin 1', 'check 0', 'repair 1', 'wait 1'],
    );
  }
});
