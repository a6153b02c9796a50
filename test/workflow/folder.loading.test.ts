import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { formatFindings } from '../../src/workflow/finding-text.ts';
import { createSourceReader, loadWorkflowFiles } from '../../src/workflow/folder.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nflow-workflows-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function write(files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

function workflow(name: string, node = '{ "type": "end" }', keys = ''): string {
  return `{ "format": 1, "name": "${name}", ${keys} "nodes": { "only": ${node} } }`;
}

const codeFrom = (file: string): string => `{ "type": "code", "code": { "file": ${JSON.stringify(file)} } }`;
const route = (path: string): string => `"triggers": [{ "type": "http", "method": "GET", "path": "${path}" }],`;

async function load(...paths: string[]) {
  const { workflows, findings } = await loadWorkflowFiles(paths.length === 0 ? ['.'] : paths, { folder });
  return {
    names: workflows.map(({ name }) => name),
    workflows,
    findings,
    problems: findings.map(({ file, code }) => `${file} ${code}`),
  };
}

test('folders are read with those below them, but for node_modules and hidden ones', async () => {
  await write({
    'b.workflow.json': workflow('b'),
    'deep/er/a.workflow.json': workflow('a'),
    'node_modules/x/c.workflow.json': workflow('c'),
    '.git/d.workflow.json': workflow('d'),
    'e.json': workflow('e'),
  });
  const { workflows, findings } = await load();
  assert.deepEqual(findings, []);
  assert.deepEqual(
    workflows.map(({ name, file }) => `${name} ${file}`),
    ['b b.workflow.json', 'a deep/er/a.workflow.json'],
  );
});

test('a file given twice, alone and by its folder, is loaded once', async () => {
  await write({ 'a.workflow.json': workflow('a') });
  assert.deepEqual((await load('a.workflow.json', '.', './a.workflow.json')).names, ['a']);
});

test('a bad file is reported and the others go on', async () => {
  await write({
    'a.workflow.json': workflow('a'),
    'b.workflow.json': '{ "format": 1',
    'c.workflow.json': workflow('c', '{ "type": "nonsense" }'),
    'd.workflow.json': new Uint8Array([0x7b, 0xff, 0x7d]),
  });
  const { names, problems } = await load('.', 'missing');
  assert.deepEqual(names, ['a']);
  assert.deepEqual(problems, [
    'missing unreadable-file',
    'b.workflow.json bad-json',
    'c.workflow.json bad-value',
    'd.workflow.json unreadable-file',
  ]);
});

test('code files lie beside the workflow file, and are part of the published text', async () => {
  await write({
    'a/a.workflow.json': workflow('a', codeFrom('./price.ts')),
    'a/price.ts': 'const total: number = 1;\nreturn total;\n',
  });
  const { workflows, findings } = await load();
  assert.deepEqual(findings, []);
  const [loaded] = workflows;
  const node = loaded?.program.nodes[0];
  assert.ok(node?.type === 'code');
  assert.equal(node.code.file, './price.ts');
  assert.match(node.code.source, /const total {9}= 1;/);
  assert.match(loaded?.definitionText ?? '', /const total: number = 1;/);
});

test('a mistake in a code file has its place in that file', async () => {
  await write({
    'a/a.workflow.json': workflow('a', codeFrom('./price.ts')),
    'a/price.ts': 'const total: number = 1;\nreturn total +;\n',
  });
  const { findings } = await load();
  assert.deepEqual(
    findings.map(({ file, pointer, line, column, code }) => ({ file, pointer, line, column, code })),
    [{ file: 'a/price.ts', pointer: '/nodes/only/code/file', line: 2, column: 15, code: 'syntax-error' }],
  );
});

test('code files stay inside of the folder that was given, links resolved', async () => {
  await write({
    'in/shared/ok.js': 'return 1',
    'in/deep/ok.workflow.json': workflow('ok', codeFrom('../shared/ok.js')),
    'in/escape.workflow.json': workflow('escape', codeFrom('../out.js')),
    'in/link.workflow.json': workflow('link', codeFrom('./link.js')),
    'in/absolute.workflow.json': workflow('absolute', codeFrom('/etc/hostname.js')),
    'in/folder.workflow.json': workflow('folder', codeFrom('./dir.js')),
    'in/other.workflow.json': workflow('other', codeFrom('./a.py')),
    'in/missing.workflow.json': workflow('missing', codeFrom('./missing.js')),
    'in/dir.js/x': '',
    'out.js': 'return "secret"',
  });
  await symlink(join(folder, 'out.js'), join(folder, 'in/link.js'));
  const { names, findings } = await load('in');
  assert.deepEqual(names, ['ok']);
  assert.deepEqual(
    findings.map(({ file, pointer, code }) => `${file} ${pointer} ${code}`),
    ['absolute', 'escape', 'folder', 'link', 'missing', 'other'].map(
      (name) => `in/${name}.workflow.json /nodes/only/code/file code-file`,
    ),
  );
  assert.equal(findings.filter(({ message }) => message.includes('outside')).length, 2);
  assert.doesNotMatch(JSON.stringify(findings), /secret/);
  // A file alone has the folder that it lies in.
  assert.deepEqual((await load('in/deep/ok.workflow.json')).problems, ['in/deep/ok.workflow.json code-file']);
});

test('two files with one name are both reported, and neither is loaded', async () => {
  await write({
    'a.workflow.json': workflow('same'),
    'b.workflow.json': workflow('same'),
    'c.workflow.json': workflow('c'),
  });
  const { names, findings } = await load();
  assert.deepEqual(names, ['c']);
  assert.deepEqual(
    findings.map(({ file, pointer, line, column, code }) => ({ file, pointer, line, column, code })),
    ['a', 'b'].map((name) => {
      return { file: `${name}.workflow.json`, pointer: '/name', line: 1, column: 24, code: 'duplicate-workflow' };
    }),
  );
  assert.match(findings[0]?.message ?? '', /b\.workflow\.json/);
});

test('two workflows with one route are both reported, and neither is loaded', async () => {
  await write({
    'a.workflow.json': workflow('a', undefined, route('/x/:id')),
    'b.workflow.json': workflow('b', undefined, route('/x/:name/')),
    'c.workflow.json': workflow('c', undefined, route('/x/y')),
  });
  const { names, findings } = await load();
  assert.deepEqual(names, ['c']);
  assert.deepEqual(
    findings.map(({ file, pointer, code }) => `${file} ${pointer} ${code}`),
    ['a.workflow.json /triggers/0/path route-conflict', 'b.workflow.json /triggers/0/path route-conflict'],
  );
  assert.match(findings[0]?.message ?? '', /b \(GET \/x\/:name\)/);
  assert.match(findings[1]?.message ?? '', /a \(GET \/x\/:id\)/);
});

test('findings are shown with the line and a caret under the place', async () => {
  await write({
    'a.workflow.json': [
      '{',
      '  "format": 1, "name": "a",',
      '  "nodes": {',
      '    "price": { "type": "code", "code": "const a = 1;\\nreturn a +;", "next": "replay" },',
      '\t"reply": { "type": "end" }',
      '  }',
      '}',
    ].join('\n'),
  });
  const { findings } = await load();
  assert.equal(
    formatFindings(findings, createSourceReader(folder)),
    `a.workflow.json:4:40 syntax-error
  Unexpected ";".
  at      /nodes/price/code, line 2, column 11 of the code
  got     ";"
  allowed the body of a function of (input, ctx, nodes, prev)

     2 | return a +;
       |           ^

a.workflow.json:4:77 unknown-node
  There is no node "replay". Did you mean "reply"?
  at      /nodes/price/next
  got     "replay"
  allowed a node of this workflow: price, reply

     4 |     "price": { "type": "code", "code": "const a = 1;\\nreturn a +;", "next": "replay" },
       |                                                                             ^
`,
  );
});

test('what is shown cannot steer the terminal', async () => {
  await write({ 'a.workflow.json': workflow('a', '{ "type": "end", "out\u009b31mput": 1 }') });
  const { findings } = await load();
  assert.equal(findings.length, 1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  assert.doesNotMatch(formatFindings(findings, createSourceReader(folder)), /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
});
