import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launcher } from '../cli/spawned.ts';
import { startNflowServer } from '../support/nflow-server.ts';
import { type DocumentStep, firstMissing, readDocument } from './document.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const pages = [
  'README.md',
  'README.es.md',
  ...readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' }).map((path) => join('docs', path)),
].filter((path) => path.endsWith('.md'));
const commandTimeoutMs = 120_000;

interface Shell {
  folder: string;
  /** Of the server that the page has started; null before. */
  address: string | null;
  /** Its admin token. */
  token: string;
  /** Where the commands that pages use are found: `npx nflow` is that of this repository. */
  commands: string;
}

function openShell(t: TestContext): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-docs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const commands = join(folder, '.commands');
  mkdirSync(commands);
  writeFileSync(join(commands, 'npx'), `#!/bin/sh\nshift\nexec "${process.execPath}" "${launcher}" "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(join(commands, 'node'), `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
  // Stands in for what pages install.
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@nflow-engine'), { recursive: true });
  symlinkSync(repository, join(modules, '@nflow-engine', 'nflow'));
  symlinkSync(join(repository, 'node_modules', 'zod'), join(modules, 'zod'));
  return { folder, address: null, token: '', commands };
}

/** The page's own address is that of a server on the usual port. */
function onPort(text: string, address: string | null): string {
  return address === null ? text : text.replaceAll('127.0.0.1:8080', new URL(address).host);
}

async function start(t: TestContext, shell: Shell, workflows: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-docs-server-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(shell.folder, workflows), join(folder, 'workflows'), { recursive: true });
  const { address } = await startNflowServer(t, { workflows: {}, egressAllow: [], folder });
  shell.address = address;
  shell.token = readFileSync(join(folder, 'data', 'admin-token'), 'utf8').trim();
}

async function run(shell: Shell, step: Extract<DocumentStep, { kind: 'run' }>): Promise<void> {
  const { PATH } = process.env;
  const child = spawn('bash', ['-eu', '-c', onPort(step.script, shell.address)], {
    cwd: shell.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: commandTimeoutMs,
    env: {
      ...process.env,
      PATH: `${shell.commands}:${PATH}`,
      NO_COLOR: '1',
      // A page may test: that is no test of this run.
      NODE_TEST_CONTEXT: undefined,
      ...(shell.address === null ? {} : { NFLOW_SERVER: shell.address, NFLOW_TOKEN: shell.token }),
    },
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, step.exitCode, `line ${step.line}: ${step.script}\n${printed}`);
  const missing = firstMissing(step.output, printed);
  assert.equal(missing, null, `line ${step.line}: it did not print "${missing}", but:\n${printed}`);
}

for (const page of pages) {
  const steps = readDocument(join(repository, page));
  if (steps.length === 0) continue;
  test(`the examples of ${page} do what it says`, async (t) => {
    const shell = openShell(t);
    for (const step of steps) {
      if (step.kind === 'file') {
        const path = join(shell.folder, step.path);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, step.text);
      } else if (step.kind === 'start') {
        await start(t, shell, step.workflows);
      } else {
        await run(shell, step);
      }
    }
  });
}

test('most pages for users have examples that are run', () => {
  const tested = pages.filter((page) => readDocument(join(repository, page)).some(({ kind }) => kind === 'run'));
  assert.ok(tested.length >= 5, tested.join(', '));
});

test('every page that a page links to is there, with its heading', () => {
  let links = 0;
  for (const page of pages) {
    const text = readFileSync(join(repository, page), 'utf8');
    for (const [, target = '', heading] of text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      links++;
      const path = target === '' ? join(repository, page) : join(repository, dirname(page), target);
      assert.ok(existsSync(path), `${page} links to ${target}, which is not there`);
      if (heading === undefined || !path.endsWith('.md')) continue;
      const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      );
      assert.ok(
        headings.includes(heading),
        `${page} links to ${relative(repository, path)}#${heading}, which has no such heading`,
      );
    }
  }
  assert.ok(links > 20);
});

test('lines that were not printed, or not in order, are found', () => {
  assert.equal(firstMissing(['a … c', 'd'], 'x a b c\nd'), null);
  assert.equal(firstMissing(['d', 'a'], 'a\nd'), 'a');
  assert.equal(firstMissing(['1.5'], '125'), '1.5');
});
