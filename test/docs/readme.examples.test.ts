import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nflow } from '../cli/spawned.ts';

const readmePath = fileURLToPath(new URL('../../README.md', import.meta.url));
let folder: string;
let readme: string;

/** The first fenced block of a language after a text. */
function blockAfter(text: string, language: string): string {
  const from = readme.indexOf(text);
  assert.notEqual(from, -1, `the README does not say "${text}" any more`);
  const block = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme.slice(from));
  assert.ok(block, `no ${language} block after "${text}"`);
  return block[1] as string;
}

before(async () => {
  readme = await readFile(readmePath, 'utf8');
  folder = await mkdtemp(join(tmpdir(), 'nflow-readme-'));
  await writeFile(join(folder, 'greet.ts'), blockAfter('`hello/greet.ts`', 'ts'));
  await writeFile(join(folder, 'greet.workflow.json'), blockAfter('`hello/greet.workflow.json`', 'json'));
});

after(() => rm(folder, { recursive: true, force: true }));

test('the workflow of the README is valid', async (t) => {
  const { code, stdout, stderr } = await nflow(t, ['validate', folder]);
  assert.equal(code, 0, stdout + stderr);
});

test('the workflow of the README answers and fails as the README says', async (t) => {
  const file = join(folder, 'greet.workflow.json');
  const good = await nflow(t, ['run', file, '--body', '{ "name": "Ada" }', '--full']);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /201[\s\S]*"greeting":\s*"Hello, Ada"/);
  const bad = await nflow(t, ['run', file, '--body', JSON.stringify({ name: 'x'.repeat(21) })]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /That name has 21 letters/);
});

test('every file and page that the README links to is there', async () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1] as string);
  assert.ok(links.length > 8);
  for (const link of links) {
    await assert.doesNotReject(
      readFile(new URL(link, `file://${readmePath}`)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EISDIR') throw new Error(`${link} is not there`);
      }),
    );
  }
});
