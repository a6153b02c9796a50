import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { launcher, nflow, spawnNode, temporaryFolder, until } from './spawned.ts';
import { codeWorkflow } from './workflow-files.ts';

const route = (path: string): object => ({ type: 'http', method: 'POST', path });

test('executions are listed with filters and pages, shown by short ids, and followed as they end', async (t) => {
  const server = await startNflowServer(t, {
    workflows: {
      good: codeWorkflow('good', 'return 1;', route('/good')),
      bad: codeWorkflow('bad', 'throw new Error("a peculiar reason");', route('/bad')),
    },
    egressAllow: [],
  });
  const folder = temporaryFolder(t);
  const options = { cwd: folder, env: { ...process.env, NFLOW_SERVER: server.address, NO_COLOR: '1' } };
  const list = async (
    ...flags: string[]
  ): Promise<{ items: { id: string; workflow: string; status: string }[]; nextCursor: string | null }> => {
    const ended = await nflow(t, ['ls', '--json', ...flags], options);
    assert.equal(ended.code, 0, ended.stderr);
    return JSON.parse(ended.stdout);
  };
  const tail = spawnNode(t, [launcher, 'executions', 'tail', '--workflow', 'bad'], options);
  const post = (path: string) =>
    fetch(`${server.address}${path}`, { method: 'POST' }).then((response) => response.text());
  for (let i = 0; i < 3; i++) await post('/good');
  await post('/bad');

  await t.test('tail prints those of the workflow with the reason of a failure', async () => {
    // It may have begun to listen after the first one.
    await until('a line of the tail', async () => {
      if (tail.stdout().includes('a peculiar reason')) return true;
      await post('/bad');
      return false;
    });
    assert.match(tail.stdout(), /bad v1 {2}failed .*node_failed a peculiar reason/);
    assert.doesNotMatch(tail.stdout(), /good/);
  });

  await t.test('tail ends in order with Ctrl-C', async () => {
    tail.child.kill('SIGINT');
    assert.equal((await tail.ended).code, 0);
  });

  await t.test('filters hold together', async () => {
    const names = new Set((await list('--status', 'failed,timed_out')).items.map(({ workflow }) => workflow));
    assert.deepEqual([...names], ['bad']);
    assert.deepEqual((await list('--workflow', 'good', '--status', 'failed')).items, []);
    assert.ok((await list('--text', 'peculiar')).items.every(({ workflow }) => workflow === 'bad'));
    assert.equal((await list('--workflow', 'good', '--since', '1h')).items.length, 3);
    assert.deepEqual((await list('--until', '2020-01-01')).items, []);
  });

  await t.test('pages follow each other by their cursor', async () => {
    const first = await list('--workflow', 'good', '--limit', '2');
    assert.equal(first.items.length, 2);
    const second = await list('--workflow', 'good', '--limit', '2', '--cursor', first.nextCursor ?? '');
    const ids = [...first.items, ...second.items].map(({ id }) => id);
    assert.equal(new Set(ids).size, 3);
  });

  await t.test('show takes a short id', async () => {
    const [failed] = (await list('--workflow', 'bad', '--limit', '1')).items;
    const shown = await nflow(t, ['show', failed?.id.slice(-8) ?? ''], options);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /bad version 1 +failed[\s\S]*a peculiar reason[\s\S]*line 1/);
  });

  await t.test('a time that is none is an error of usage', async () => {
    const ended = await nflow(t, ['executions', 'list', '--since', 'yesterday'], options);
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, /how long ago/);
  });
});
