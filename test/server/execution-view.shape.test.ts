import assert from 'node:assert/strict';
import { test } from 'node:test';
import { executionView } from '../../src/server/execution-view.ts';
import type { JournalRecord, StoredExecution } from '../../src/store/port.ts';

const types = new Map([
  ['price', 'code'],
  ['each', 'map'],
]);

function stored(over: Partial<StoredExecution> = {}): StoredExecution {
  return {
    id: '0199c0de-0000-7000-8000-0000000000aa',
    workflow: 'order-total',
    versionId: 9,
    version: 3,
    status: 'succeeded',
    durability: 'durable',
    trigger: 'http',
    createdAt: new Date('2026-01-02T03:04:05.006Z'),
    startedAt: new Date('2026-01-02T03:04:05.007Z'),
    endedAt: new Date('2026-01-02T03:04:05.008Z'),
    httpStatus: 200,
    timing: { queueUs: 100, acquireUs: 2, runUs: 40, effectsUs: 0, batchWaitUs: 600, totalUs: 900 },
    input: '{"body":{"a":1}}',
    output: '{"total":5}',
    error: null,
    trace: '[["price",1,1,10,30]]',
    effects: null,
    logs: null,
    journal: [],
    payloadBytes: 0,
    storedBytes: 0,
    ...over,
  };
}

function record(over: Partial<JournalRecord>): JournalRecord {
  return {
    stepPath: 'price',
    attempt: 1,
    seq: 1,
    kind: 'http',
    argumentsHash: null,
    ok: true,
    json: 'null',
    segment: 0,
    segmentTimeMs: 0,
    order: 1,
    ...over,
  };
}

test('an ended execution has exactly the documented form', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(executionView(stored(), types))), {
    id: '0199c0de-0000-7000-8000-0000000000aa',
    workflow: 'order-total',
    version: 3,
    status: 'succeeded',
    durability: 'durable',
    trigger: 'http',
    createdAt: '2026-01-02T03:04:05.006Z',
    startedAt: '2026-01-02T03:04:05.007Z',
    endedAt: '2026-01-02T03:04:05.008Z',
    input: { body: { a: 1 } },
    output: { total: 5 },
    error: null,
    timing: { queueMs: 0.1, acquireMs: 0.002, runMs: 0.04, effectsMs: 0, batchWaitMs: 0.6, totalMs: 0.9 },
    steps: [
      {
        path: 'price',
        node: 'price',
        type: 'code',
        attempt: 1,
        status: 'succeeded',
        startMs: 0.01,
        durationMs: 0.03,
        output: { total: 5 },
        effects: [],
      },
    ],
    logs: [],
  });
});

test('steps have their own outputs, their effects, and the type of their node', () => {
  const { steps } = executionView(
    stored({
      trace: '[["each[3]/price",2,1,10,30,{"own":1}],["each[3]",1,0,40,5],["gone",1,2,50,0]]',
      effects:
        '[["each[3]/price",2,1,"http","POST http://x/","",0,0],["each[3]/price",2,2,"http","GET http://x/",0,12,1500],["each[3]/price",1,1,"http","other attempt",1,0,1]]',
    }),
    types,
  );
  assert.deepEqual(
    steps.map(({ node, type, status, output }) => ({ node, type, status, output })),
    [
      { node: 'price', type: 'code', status: 'succeeded', output: { own: 1 } },
      { node: 'each', type: 'map', status: 'failed', output: null },
      { node: 'gone', type: null, status: 'running', output: null },
    ],
  );
  assert.deepEqual(steps[0]?.effects, [
    { seq: 2, kind: 'http', description: 'GET http://x/', status: 'failed', startMs: 0.012, durationMs: 1.5 },
  ]);
});

test('an error has its fields, and the stack that only the history shows', () => {
  const error = JSON.stringify({
    code: 'node_failed',
    message: 'boom',
    node: 'price',
    line: 3,
    column: 7,
    stack: 'Error: boom\n at x',
  });
  assert.deepEqual(executionView(stored({ status: 'failed', output: null, error }), types).error, {
    code: 'node_failed',
    message: 'boom',
    workflow: 'order-total',
    node: 'price',
    line: 3,
    column: 7,
    got: null,
    expected: null,
    remedy: null,
    retryable: false,
    stack: 'Error: boom\n at x',
  });
});

test('log lines have step, level, time and text; what is no line is left out', () => {
  const logs = JSON.stringify([['price', 1, 1, 'warn', 0, 'low'], ['price', 1, 2, 'info', 1e99, 'no time'], 'odd']);
  assert.deepEqual(executionView(stored({ logs }), types).logs, [
    { step: 'price', attempt: 1, level: 'warn', time: '1970-01-01T00:00:00.000Z', text: 'low' },
  ]);
});

test('texts that are no JSON are shown as they are', () => {
  const view = executionView(
    stored({ input: '{"cut', output: '\u0000', error: 'odd', trace: 'nonsense', effects: '{}' }),
    types,
  );
  assert.equal(view.input, '{"cut');
  assert.equal(view.output, '\u0000');
  assert.equal(view.error?.message, 'odd');
  assert.deepEqual(view.steps, []);
  const odd = executionView(stored({ trace: '[1,["a"],["a",1,1,0,0],null]', effects: '[[1]]' }), types);
  assert.equal(odd.steps.length, 1);
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  assert.equal(executionView(stored({ output: deep }), types).output, deep);
});

test('a running execution shows the steps and effects of its journal, in their order', () => {
  const view = executionView(
    stored({
      status: 'running',
      endedAt: null,
      timing: null,
      output: null,
      trace: null,
      journal: [
        record({ order: 3, stepPath: 'price', seq: 0, kind: 'step', json: '["price",1,1,10,30,{"p":2}]' }),
        record({ order: 2, stepPath: 'first', seq: 0, kind: 'step', json: Buffer.from('["first",1,1,0,5,1]') }),
        record({ order: 1, stepPath: 'price', seq: 1, kind: 'http', ok: false }),
      ],
    }),
    types,
  );
  assert.equal(view.endedAt, null);
  assert.equal(view.timing, null);
  assert.deepEqual(
    view.steps.map(({ path, output }) => [path, output]),
    [
      ['first', 1],
      ['price', { p: 2 }],
    ],
  );
  assert.deepEqual(view.steps[1]?.effects, [
    { seq: 1, kind: 'http', description: null, status: 'failed', startMs: null, durationMs: null },
  ]);
});
