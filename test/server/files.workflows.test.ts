import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../support/condition.ts';
import { type NflowServer, startNflowServer } from '../support/nflow-server.ts';

const http = (method: string, path: string, more: object = {}) => ({ type: 'http', method, path, ...more });

const sumRows = `
  let total = 0, rows = 0, first = null;
  for await (const row of ctx.file.rows(prev.path ?? input.body.files[0].path, { batchBytes: 4096 })) {
    first ??= row;
    rows++;
    total += Number(row.qty);
  }
  return { rows, total, first };`;

const workflows = {
  'csv-import': {
    format: 1,
    name: 'csv-import',
    triggers: [http('POST', '/api/import', { uploads: { maxSize: 200_000, maxFiles: 2 } })],
    nodes: {
      // An execution with a row is one that a successor goes on with.
      mark: { type: 'file', operation: 'write', path: 'mark', data: 'begun', next: 'take' },
      take: { type: 'set', values: { path: '{{ input.body.files[0].path }}' }, next: 'sum' },
      sum: { type: 'code', code: sumRows, next: 'reply' },
      reply: {
        type: 'respond',
        body: { sum: '{{ prev }}', fields: '{{ input.body.fields }}', files: '{{ input.body.files }}' },
      },
    },
  },
  reports: {
    format: 1,
    name: 'reports',
    triggers: [http('GET', '/api/reports/:name')],
    nodes: { reply: { type: 'respond', file: 'out/{{ input.params.name }}' } },
  },
  rows: {
    format: 1,
    name: 'rows',
    triggers: [http('POST', '/api/rows')],
    nodes: {
      write: { type: 'file', operation: 'write', path: 'rows', data: '{{ input.body.text }}', next: 'read' },
      read: {
        type: 'code',
        code: `
          const found = [];
          try {
            const rows = ctx.file.rows('rows', input.body.options);
            for await (const row of rows) found.push(row);
            return { found, bytes: rows.progress.bytes };
          } catch (error) {
            return { error: error.message };
          }`,
      },
    },
  },
  'reports-made': {
    format: 1,
    name: 'reports-made',
    triggers: [http('POST', '/api/notes')],
    nodes: {
      write: {
        type: 'file',
        operation: 'write',
        path: 'notes/{{ input.body.id }}.json',
        data: '{{ input.body }}',
        next: 'list',
      },
      list: { type: 'file', operation: 'list', path: 'notes', next: 'read' },
      read: {
        type: 'code',
        code: 'return { names: nodes.list.entries.map((entry) => entry.name), text: await ctx.file.read(nodes.write.path) };',
      },
    },
  },
};

const start = (t: TestContext, env: Record<string, string> = {}): Promise<NflowServer> =>
  startNflowServer(t, { workflows, egressAllow: [], env });

function csv(rows: number): string {
  let text = 'name,qty\r\n';
  for (let row = 0; row < rows; row++) text += `"item ""${row}"",\nof ${row}",${row}\r\n`;
  return text;
}

function form(parts: Record<string, string | { name: string; content: string }>): FormData {
  const data = new FormData();
  for (const [field, part] of Object.entries(parts)) {
    if (typeof part === 'string') data.append(field, part);
    else data.append(field, new Blob([part.content], { type: 'text/csv' }), part.name);
  }
  return data;
}

const filesOf = (server: NflowServer, ...path: string[]): string => join(server.folder, 'data', 'files', ...path);
const temporaryOf = (server: NflowServer): string[] => {
  try {
    return readdirSync(filesOf(server, 'temporary'));
  } catch {
    return [];
  }
};

test('uploads, rows, files as answers and the node: through a whole server', async (t) => {
  const server = await start(t);
  const post = (body: FormData) => fetch(`${server.address}/api/import`, { method: 'POST', body });

  await t.test('an uploaded CSV is read row by row, quoted line ends and all', async () => {
    const response = await post(form({ note: 'hello', file: { name: '../../evil.csv', content: csv(2000) } }));
    const answer = (await response.json()) as { sum: object; fields: object; files: Record<string, unknown>[] };
    assert.equal(response.status, 200, JSON.stringify(answer));
    assert.deepEqual(answer.sum, { rows: 2000, total: 1_999_000, first: { name: 'item "0",\nof 0', qty: '0' } });
    assert.deepEqual(answer.fields, { note: 'hello' });
    const [file] = answer.files;
    assert.match(String(file?.path), /^uploads\/[0-9a-f-]{36}\.csv$/);
    assert.equal(file?.name, 'evil.csv');
    assert.equal(file?.size, Buffer.byteLength(csv(2000)));
    assert.equal(readFileSync(filesOf(server, 'workflows', 'csv-import', String(file?.path)), 'utf8'), csv(2000));
  });

  await t.test('what is too large, too many or no form is refused, and nothing is left of it', async () => {
    const before = readdirSync(filesOf(server, 'workflows', 'csv-import', 'uploads'));
    const large = await post(form({ file: { name: 'a.csv', content: 'x'.repeat(200_001) } }));
    assert.equal(large.status, 413);
    assert.equal(((await large.json()) as { code: string }).code, 'body_too_large');
    const one = { name: 'a.csv', content: 'a\n1' };
    assert.equal((await post(form({ a: one, b: one, c: one }))).status, 413);
    assert.equal((await post(form({ note: 'x'.repeat(70_000) }))).status, 413);
    const send = (contentType: string) =>
      fetch(`${server.address}/api/import`, {
        method: 'POST',
        body: '--x\r\nbroken',
        headers: { 'content-type': contentType },
      });
    assert.equal((await send('multipart/form-data; boundary=x')).status, 400);
    assert.equal((await send('multipart/form-data')).status, 400);
    assert.equal((await send('multipart/mixed; boundary=x')).status, 415);
    assert.deepEqual(readdirSync(filesOf(server, 'workflows', 'csv-import', 'uploads')), before);
    assert.deepEqual(temporaryOf(server), []);
    const elsewhere = await fetch(`${server.address}/api/notes`, { method: 'POST', body: form({ a: one }) });
    assert.equal(elsewhere.status, 415);
  });

  await t.test('a client that leaves in the middle of an upload leaves nothing behind', async () => {
    const { hostname, port } = new URL(server.address);
    const socket = connect(Number(port), hostname);
    const head =
      'POST /api/import HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 100000\r\n\r\n';
    socket.write(
      `${head}--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n${'slow '.repeat(100)}`,
    );
    await until('the upload has begun', () => temporaryOf(server).length === 1);
    socket.destroy();
    await until('the temporary file is gone', () => temporaryOf(server).length === 0);
  });

  await t.test('a file is an answer, with its type and length, and HEAD has no body', async () => {
    const folder = filesOf(server, 'workflows', 'reports', 'out');
    mkdirSync(folder, { recursive: true });
    const content = 'x'.repeat(3_000_000);
    writeFileSync(join(folder, 'big.csv'), content);
    writeFileSync(join(folder, 'empty.txt'), '');
    const response = await fetch(`${server.address}/api/reports/big.csv`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/csv; charset=utf-8');
    assert.equal(response.headers.get('content-length'), '3000000');
    assert.equal(await response.text(), content);
    const head = await fetch(`${server.address}/api/reports/big.csv`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), '3000000');
    assert.equal(await head.text(), '');
    assert.equal(await (await fetch(`${server.address}/api/reports/empty.txt`)).text(), '');
    for (const name of ['none.csv', '..%2F..%2Fsecret']) {
      const missing = await fetch(`${server.address}/api/reports/${name}`);
      const problem = (await missing.json()) as { code: string; node: string };
      assert.equal(missing.status, 502, JSON.stringify(problem));
      assert.ok(!JSON.stringify(problem).includes(server.folder));
    }
  });

  await t.test('the node writes and lists, code reads', async () => {
    const response = await fetch(`${server.address}/api/notes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"id":7}',
    });
    assert.deepEqual(await response.json(), { names: ['7.json'], text: '{"id":7}' });
  });
});

test('rows of every form, and what is wrong with some', async (t) => {
  const server = await start(t);
  const read = async (
    text: string,
    options: object = {},
  ): Promise<{ found?: unknown[]; bytes?: number; error?: string }> => {
    const response = await fetch(`${server.address}/api/rows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text, options }),
    });
    return (await response.json()) as { found?: unknown[]; bytes?: number; error?: string };
  };
  const arrays = async (text: string, options: object = {}): Promise<unknown> =>
    (await read(text, { header: false, ...options })).found;
  assert.deepEqual(await arrays('a,b\n\n1,"2"\r\n"",\n'), [
    ['a', 'b'],
    ['1', '2'],
    ['', ''],
  ]);
  assert.deepEqual(await arrays('"a ""quoted"" one";b', { delimiter: ';' }), [['a "quoted" one', 'b']]);
  assert.deepEqual(await arrays('x,"1\r\n2",y\n"last"'), [['x', '1\r\n2', 'y'], ['last']]);
  assert.deepEqual(await arrays(''), []);
  assert.deepEqual((await read('a,b\n1,2\n')).found, [{ a: '1', b: '2' }]);
  assert.deepEqual((await read('1,2\n', { header: ['x', 'y'] })).found, [{ x: '1', y: '2' }]);
  assert.deepEqual((await read('a\n1\n2\n3', { batch: 2 })).found, [[{ a: '1' }, { a: '2' }], [{ a: '3' }]]);
  assert.deepEqual((await read('{"a":1}\n\n[2]\n', { format: 'jsonl' })).found, [{ a: 1 }, [2]]);
  // A row that is longer than a batch, and characters of two, three and four bytes at its end.
  const long = 'ä€😀'.repeat(2000);
  const text = Array.from({ length: 5 }, (_, row) => `"${row}\n${long}",é\n`).join('');
  const { found, bytes } = await read(text, { header: false, batchBytes: 1024 });
  assert.deepEqual(
    found,
    Array.from({ length: 5 }, (_, row) => [`${row}\n${long}`, 'é']),
  );
  assert.equal(bytes, Buffer.byteLength(text));
  const wrong: [text: string, options: object, message: RegExp][] = [
    ['a,b\n1\n', {}, /row 2 has 1 fields, and there are 2 columns/],
    ['a\n"1\n', {}, /row 2: a quote is not closed/],
    ['a\n"1"x\n', {}, /row 2: after a closing quote/],
    ['a,a\n', {}, /there twice/],
    ['__proto__\n', {}, /called __proto__/],
    ['{}\n{', { format: 'jsonl' }, /row 2 is not JSON/],
    ['', { format: 'xml' }, /format must be csv or jsonl/],
    ['', { delimiter: ',,' }, /delimiter must be one character/],
    ['', { batch: 0 }, /batch must be/],
    ['', { batchBytes: 1 }, /batchBytes must be/],
  ];
  for (const [given, options, message] of wrong) assert.match(String((await read(given, options)).error), message);
});

test('a server that dies while rows are read goes on with them', async (t) => {
  const server = await start(t);
  server.killAt({ point: 'after-effect', arrival: 8 });
  const body = form({ file: { name: 'a.csv', content: csv(2000) } });
  await fetch(`${server.address}/api/import`, { method: 'POST', body }).then(
    (response) => response.text(),
    () => '',
  );
  await until('the gateway has ended itself', () => server.hasKilledItself());
  const executions = `${server.address}/nflow/api/v1/executions?workflow=csv-import`;
  type Page = { items?: { id: string; status: string }[] };
  let found: string | undefined;
  await until('the execution has ended', async () => {
    const page = await fetch(executions).then(
      (response) => response.json() as Promise<Page>,
      () => ({}) as Page,
    );
    const [one] = page.items ?? [];
    found = one?.id;
    return one?.status === 'succeeded' || one?.status === 'failed';
  });
  const view = (await (await fetch(`${server.address}/nflow/api/v1/executions/${found}`)).json()) as {
    output: { sum: object } | null;
  };
  assert.deepEqual(view.output?.sum ?? view, {
    rows: 2000,
    total: 1_999_000,
    first: { name: 'item "0",\nof 0', qty: '0' },
  });
});
