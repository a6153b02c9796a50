/** `nflow doctor`: what it tells, as text and as JSON, and when it fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolationLayers } from '../../src/config/isolation-layers.ts';
import { nflow, temporaryFolder } from './spawned.ts';

interface Check {
  area: string;
  name: string;
  status: string;
  detail: string;
  remedy: string | null;
}

test('the report has every layer of isolation, on or off and why, and what the server needs', async (t) => {
  const cwd = temporaryFolder(t);
  const { code, stdout } = await nflow(t, ['doctor', '--json'], { cwd });
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
  assert.equal(ok, true, stdout);
  assert.equal(code, 0);
  const isolation = checks.filter(({ area }) => area === 'isolation');
  assert.deepEqual(
    isolation.map(({ name }) => name),
    [...isolationLayers, 'a runner'],
  );
  for (const { name, status, detail } of isolation) {
    assert.match(status, /^(ok|off)$/, `${name}: ${detail}`);
    assert.notEqual(detail, '');
  }
  const names = checks.map(({ area, name }) => `${area}/${name}`);
  for (const name of ['runtime/node', 'runtime/open files', 'database/embedded', 'data/folder', 'data/git'])
    assert.ok(names.includes(name), `${name} in ${names.join(', ')}`);
});

test('a layer that is required and off fails it, and so does a database that is not reached', async (t) => {
  const cwd = temporaryFolder(t);
  const env = {
    ...process.env,
    NFLOW_RUNNERS__OMIT: '["net"]',
    NFLOW_RUNNERS__REQUIRE: '["net"]',
    NFLOW_DATABASE_NFLOW__DSN: 'postgres://nflow:hush@127.0.0.1:1/nflow',
  };
  const { code, stdout } = await nflow(t, ['doctor'], { cwd, env });
  assert.equal(code, 1);
  assert.match(stdout, /^net +failed +left out by \[runners\] omit$/m);
  assert.match(stdout, /\[runners\] require: the server refuses to start without it/);
  assert.match(stdout, /^reached +failed .*ECONNREFUSED/m);
  assert.match(stdout, /2 failed$/m);
  assert.doesNotMatch(stdout, /hush/);
});

test('start refuses when a layer of [runners] require is off, and says which and why', async (t) => {
  const cwd = temporaryFolder(t);
  const env = { ...process.env, NFLOW_RUNNERS__OMIT: '["ipc"]', NFLOW_RUNNERS__REQUIRE: '["user", "ipc"]' };
  const { code, stderr } = await nflow(t, ['start', '--port', '0'], { cwd, env });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /error invalid_config: Runners cannot be isolated here as \[runners\] require asks: .*ipc/);
  assert.match(stderr, /ipc is off: left out by \[runners\] omit/);
});
