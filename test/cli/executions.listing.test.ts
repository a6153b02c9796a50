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

  await t.test('the API finds the same by every filter', async () => {
    const search = async (query: string): Promise<{ id: string; workflow: string; createdAt: string }[]> => {
      const response = await fetch(`${server.address}/nflow/api/v1/executions?${query}`);
      assert.equal(response.status, 200, query);
      return ((await response.json()) as { items: { id: string; workflow: string; createdAt: string }[] }).items;
    };
    const all = await search('limit=500');
    const [newest] = all;
    assert.ok(newest !== undefined);
    const good = all.filter(({ workflow }) => workflow === 'good');
    assert.deepEqual(await search('workflow=good'), good);
    assert.deepEqual(await search('status=succeeded'), good);
    assert.deepEqual(await search('status=succeeded&status=failed'), all);
    assert.deepEqual(await search('text=GOOD'), good);
    assert.deepEqual(await search('text=peculiar&workflow=good'), []);
    for (const text of [newest.id, newest.id.slice(-8), newest.id.slice(-8).toUpperCase()]) {
      assert.deepEqual(await search(`text=${text}`), [newest]);
    }
    const from = all.filter(({ createdAt }) => createdAt >= newest.createdAt);
    assert.deepEqual(await search(`from=${newest.createdAt}`), from);
    assert.deepEqual(await search(`to=${newest.createdAt}`), all.slice(from.length));
    assert.deepEqual(await search(`from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z`), []);
  });

  await t.test('what the server does not take is wrong usage, with what it takes', async () => {
    const wrong: [flags: string[], expected: RegExp][] = [
      [
        ['--status', 'done'],
        /does not accept the status .*\n +got +"done"\n +expected +one or more of running, waiting/,
      ],
      [['--workflow', 'A B'], /does not accept the workflow .*\n +got +"A B"\n +expected +a lower-case letter/],
      [['--text', ''], /does not accept the text .*\n +got +""\n +expected +1 to 200 characters/],
      [['--cursor', 'bad'], /does not accept the cursor .*\n +got +bad\n +expected +nextCursor of the page before/],
    ];
    for (const [flags, expected] of wrong) {
      const ended = await nflow(t, ['ls', ...flags], options);
      assert.match(ended.stderr, expected);
      assert.match(ended.stderr, /^error invalid_input: /);
      assert.equal(ended.code, 2);
    }
  });

  await t.test('what is not there is told with the command that lists what is', async () => {
    const execution = await nflow(t, ['show', '00000000'], options);
    assert.match(execution.stderr, /error not_found: .*00000000\.\n +to do +`nflow ls`/);
    assert.equal(execution.code, 1);
    const version = await nflow(t, ['workflows', 'diff', 'good', '1', '9'], options);
    assert.match(version.stderr, /no version 9\.\n +to do +`nflow workflows versions NAME`/);
    assert.equal(version.code, 1);
  });

  await t.test('an https address of a server that speaks plain HTTP says so', async () => {
    const ended = await nflow(t, ['ls', '--server', server.address.replace('http:', 'https:')], options);
    assert.match(ended.stderr, /got +an answer that is not TLS\n +to do +Write http:\/\//);
    assert.equal(ended.code, 3);
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
