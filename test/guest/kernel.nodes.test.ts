import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Expression, ProgramNode, Template } from '../../src/protocol/program.ts';
import { codeNode, evaluate, failure, Guest, programOf } from '../support/vm.ts';

const all: Expression['uses'] = ['input', 'nodes', 'prev', 'vars', 'execution'];
const expression = (source: string): Expression => ({ source, pointer: '/field', uses: all });
const template = (source: string): Template => ({ kind: 'expression', expression: expression(source) });
const literal = (value: unknown): Template => ({ kind: 'literal', json: JSON.stringify(value) });

function run(nodes: ProgramNode[], input: unknown = {}, vars: Record<string, unknown> = {}) {
  using guest = new Guest(programOf(nodes, vars));
  assert.equal(guest.loadError, '');
  return guest.start({ input });
}

test('each step gets its own copy: what one changes, no other sees', () => {
  const answer = run(
    [
      codeNode('first', 'input.body.list.push(1); return { list: input.body.list };', 'second', false),
      codeNode(
        'second',
        'prev.list.push(2); nodes.first.list.push(3); return [input.body.list, prev.list, nodes.first.list];',
        null,
        false,
      ),
    ],
    { body: { list: [] } },
  );
  assert.deepEqual(answer.kind === 'ended' && answer.output, [[], [1, 2], [1, 3]]);
});

test('fused and waiting code give the same result', () => {
  for (const async of [true, false]) {
    const answer = run([
      codeNode('a', 'return { n: 1 };', 'b', async),
      codeNode('b', 'return prev.n + nodes.a.n;', null, async),
    ]);
    assert.deepEqual(answer.kind === 'ended' && answer.output, 2);
  }
});

test('nodes that have not run are undefined, and nodes has nothing inherited', () => {
  const source = 'return [typeof nodes.later, typeof nodes.toString, Object.keys(nodes)];';
  const answer = run([
    codeNode('a', 'return 1;', 'b'),
    codeNode('b', source, 'later'),
    codeNode('later', 'return prev;'),
  ]);
  assert.deepEqual(answer.kind === 'ended' && answer.output, ['undefined', 'undefined', ['a']]);
});

test('results become JSON: undefined is null, NaN is null, a Date is ISO text', () => {
  assert.equal(evaluate('return undefined;'), null);
  assert.equal(evaluate('return NaN;'), null);
  assert.deepEqual(evaluate('return { d: new Date(0), u: undefined, i: -Infinity, a: [undefined] };'), {
    d: '1970-01-01T00:00:00.000Z',
    i: null,
    a: [null],
  });
  assert.equal(evaluate('return Promise.resolve("later");'), 'later');
});

test('what JSON cannot hold is an error that names its place', () => {
  for (const [source, place] of [
    ['return () => 1;', /the result is a function/],
    ['return { a: [1, { b: 2n }] };', /the result\.a\[1\]\.b is a bigint/],
    ['return { s: Symbol("x") };', /the result\.s is a symbol/],
    ['const a = { b: {} }; a.b.c = a; return a;', /contains itself/],
    ['return { toJSON() { throw new Error("no"); } };', /could not be turned into JSON/],
  ] as const) {
    const error = failure(source);
    assert.equal(error.code, 'result_not_json', source);
    assert.match(String(error.message), place);
  }
  assert.equal(failure('return "x".repeat(7 * 1024 * 1024);').code, 'output_too_large');
});

test('errors carry line and column in the node’s own code, syntax errors too', () => {
  for (const async of [true, false]) {
    const error = failure('const a = 1;\n\n  null.foo;', async);
    assert.deepEqual(
      [error.code, error.node, error.name, error.line, error.column],
      ['node_failed', 'only', 'TypeError', 3, 8],
    );
    assert.doesNotMatch(String(error.stack), /kernel/);
  }
  using guest = new Guest(programOf([codeNode('broken', 'return 1 +;')]));
  assert.equal(JSON.parse(guest.loadError).node, 'broken');
});

test('user code cannot pass its own error off as one of the engine', () => {
  assert.equal(failure('throw Object.assign(new Error("x"), { code: "effect_failed" });').code, 'node_failed');
  assert.equal(failure('throw { get message() { throw 1; }, get stack() { throw 2; } };').code, 'node_failed');
  assert.equal(failure('throw new Proxy({}, { get() { throw 1; }, has() { throw 1; } });').code, 'node_failed');
  assert.equal(failure('throw null;').code, 'node_failed');
});

test('code that waits for a promise that nothing settles fails instead of waiting for its timeout', () => {
  assert.match(String(failure('await new Promise(() => {});').message), /nothing can settle/);
});

test('if, switch and set decide by expressions over the scope', () => {
  const nodes: ProgramNode[] = [
    // biome-ignore lint/suspicious/noThenProperty: the definition's own word for the branch taken when it is true
    { name: 'big', type: 'if', condition: expression('input.n > vars.limit'), then: 'kind', else: null },
    {
      name: 'kind',
      type: 'switch',
      value: expression('input.kind'),
      cases: [
        { equals: literal({ a: [1, 2] }), next: 'deep' },
        { when: expression('input.n === 42'), next: 'answer' },
      ],
      default: 'other',
    },
    { name: 'deep', type: 'set', values: literal({ way: 'deep' }), next: null },
    {
      name: 'answer',
      type: 'set',
      values: { kind: 'object', entries: [['way', template("execution.workflow + ' ' + input.n")]] },
      next: null,
    },
    { name: 'other', type: 'end', output: literal('other') },
  ];
  const outputs = [
    [{ n: 1 }, false],
    [{ n: 11, kind: { a: [1, 2] } }, { way: 'deep' }],
    [{ n: 42, kind: 'x' }, { way: 'test 42' }],
    [{ n: 11, kind: null }, 'other'],
  ] as const;
  for (const [input, output] of outputs) {
    const answer = run(nodes, input, { limit: 10 });
    assert.deepEqual(answer.kind === 'ended' && answer.output, output);
  }
});

test('a switch without a match and without a default fails with its own code', () => {
  const answer = run([
    { name: 's', type: 'switch', value: expression('1'), cases: [{ equals: literal(2), next: null }], default: null },
  ]);
  assert.equal(answer.kind === 'failed' && answer.error.code, 'switch_no_match');
});

test('texts drop null and undefined and show objects as JSON; a plain reference passes its text', () => {
  const parts = [
    '<',
    expression('null'),
    expression('undefined'),
    expression('({ a: 1 })'),
    '|',
    expression('true'),
    '>',
  ];
  const answer = run([
    codeNode('price', 'return { total: 1e21, list: [1] };', 'reply', false),
    {
      name: 'reply',
      type: 'respond',
      status: literal(201),
      headers: { kind: 'object', entries: [['x-a', literal('b')]] },
      body: {
        kind: 'object',
        entries: [
          ['text', { kind: 'text', parts }],
          ['price', { kind: 'expression', expression: expression('nodes.price'), reference: 'nodes.price' }],
          ['list', { kind: 'array', items: [template('prev.list')] }],
        ],
      },
    },
  ]);
  assert.ok(answer.kind === 'ended');
  assert.equal(answer.httpStatus, 201);
  assert.deepEqual(answer.headers, { 'x-a': 'b' });
  assert.deepEqual(answer.output, { text: '<{"a":1}|true>', price: { total: 1e21, list: [1] }, list: [[1]] });
});

test('fail ends the run with the workflow’s own words and status', () => {
  const answer = run(
    [
      {
        name: 'no',
        type: 'fail',
        code: literal('sold_out'),
        message: { kind: 'text', parts: ['no ', expression('input.what')] },
        status: literal(409),
        details: literal({ left: 0 }),
      },
    ],
    { what: 'bells' },
  );
  assert.ok(answer.kind === 'failed');
  assert.equal(answer.httpStatus, 409);
  assert.deepEqual(
    [answer.error.code, answer.error.reason, answer.error.message, answer.error.details],
    ['workflow_failed', 'sold_out', 'no bells', { left: 0 }],
  );
});

test('a body that is not JSON is told before anything runs', () => {
  using guest = new Guest(programOf([codeNode('only', 'return input.body;')]));
  assert.equal(guest.start({ body: '{"a":' }).kind, 'badBody');
  const good = guest.start({ body: '{"a":1}' });
  assert.deepEqual(good.kind === 'ended' && good.output, { a: 1 });
});

test('logs are kept with step, level and text, and are cut at their limit', () => {
  using guest = new Guest(
    programOf([codeNode('only', 'ctx.log.warn("a", { b: 1 }); console.log(2); console.error(null); return 1;')]),
  );
  const answer = guest.start();
  assert.ok(answer.kind === 'ended');
  assert.deepEqual(
    answer.logs.map((line) => [line[0], line[2], line[3], line[5]]),
    [
      ['only', 1, 'warn', 'a {"b":1}'],
      ['only', 2, 'info', '2'],
      ['only', 3, 'error', 'null'],
    ],
  );
  using loud = new Guest(
    programOf([codeNode('only', 'for (let i = 0; i < 1000; i++) console.log("x".repeat(8000)); return 1;')]),
  );
  const cut = loud.start();
  assert.ok(cut.kind === 'ended' && cut.logs.length < 140 && /have reached/.test(String(cut.logs.at(-1)?.[5])));
});
