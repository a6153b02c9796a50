import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { failureOf } from './calls.ts';
import { callSql, type Rows, sqlEffect } from './datasources.ts';

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

async function selected(expression: string, params: unknown[] = []): Promise<unknown> {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const result = await callSql(effect, { sql: `SELECT ${expression} AS value`, params });
  assert.equal(result.ok, true, result.json);
  return (JSON.parse(result.json) as Rows).rows[0]?.value;
}

test('values become JSON without loss', async () => {
  const cases: [expression: string, value: unknown][] = [
    ['true', true],
    ['32767::int2', 32767],
    ['-2147483648', -2147483648],
    ['9007199254740993::bigint', '9007199254740993'],
    ['12345678901234567890.123456789', '12345678901234567890.123456789'],
    ['0.1::float8', 0.1],
    ["'NaN'::float8", 'NaN'],
    ["'-Infinity'::float4", '-Infinity'],
    ['1e300::float8', 1e300],
    ['\'a "quote", \\ and \u{1f600}\'', 'a "quote", \\ and \u{1f600}'],
    ['NULL', null],
    ["date '2031-06-15'", '2031-06-15'],
    ["timestamp '2031-06-15 12:30:00.123456'", '2031-06-15T12:30:00.123456'],
    ["timestamptz '2031-06-15 12:30:00.5+02'", '2031-06-15T10:30:00.5Z'],
    ["timestamptz 'infinity'", 'infinity'],
    ["time '23:59:59.999999'", '23:59:59.999999'],
    ["interval '1 day 2 hours'", 'P1DT2H'],
    ["'\\x00ff10'::bytea", 'AP8Q'],
    ["'7f2c3a5e-0000-4000-8000-000000000001'::uuid", '7f2c3a5e-0000-4000-8000-000000000001'],
    ['\'{"a": [1, null, {"b": "c"}]}\'::jsonb', { a: [1, null, { b: 'c' }] }],
    ["'[1, 2.50]'::json", [1, 2.5]],
    ['ARRAY[1, NULL, 3]', [1, null, 3]],
    [
      'ARRAY[[1,2],[3,4]]',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ["ARRAY['a,b', 'NULL', '', 'q\"\\', NULL]", ['a,b', 'NULL', '', 'q"\\', null]],
    ['ARRAY[9007199254740993]::bigint[]', ['9007199254740993']],
    ['ARRAY[\'{"a":"}"}\'::jsonb]', [{ a: '}' }]],
    ["ARRAY['\\x01'::bytea]", ['AQ==']],
    ["'{}'::text[]", []],
    ["'[2:3]={5,6}'::int[]", [5, 6]],
    ['int4range(1, 5)', '[1,5)'],
  ];
  for (const [expression, value] of cases) assert.deepEqual(await selected(expression), value, expression);
});

test('parameters are taken as they are meant, and never as SQL', async () => {
  const attack = "'); DROP TABLE orders; --";
  assert.equal(await selected('$1::text', [attack]), attack);
  assert.equal(await selected('$1::bigint + 1', ['9007199254740993']), '9007199254740994');
  assert.equal(await selected('$1::int + $2::int', [1, '2']), 3);
  assert.equal(await selected('$1::boolean', [false]), false);
  assert.equal(await selected('$1::text', [null]), null);
  assert.deepEqual(await selected('$1::jsonb', [{ a: [attack, 'é'] }]), { a: [attack, 'é'] });
  assert.deepEqual(await selected('$1::text[]', [['a,b', null, 'NULL', '"\\', '']]), ['a,b', null, 'NULL', '"\\', '']);
  assert.deepEqual(
    await selected('$1::int[]', [
      [
        [1, 2],
        [3, 4],
      ],
    ]),
    [
      [1, 2],
      [3, 4],
    ],
  );
});

test('two columns of one name are refused: an object would keep one of them', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const failure = failureOf(await callSql(effect, { sql: 'SELECT 1 AS a, 2 AS a' }));
  assert.equal(failure.reason, 'invalid_request');
  assert.match(failure.message, /two columns of the result are named "a": give each a name of its own with AS/);
  assert.equal((await callSql(effect, { sql: 'SELECT 1 AS a, 2 AS b' })).json, '{"rows":[{"a":1,"b":2}],"rowCount":1}');
});
