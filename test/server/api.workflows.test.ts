import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ApiUnderTest, assertStatus, greeting, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api[Symbol.asyncDispose]());

type Item = { pointer: string; got: string; expected: string; line?: number; column?: number; code?: string };

test('a draft is put, read, published and then gone', async () => {
  const put = await api.call('PUT', '/workflows/drafted/draft', { definition: greeting('drafted', '/drafted') });
  assertStatus(put, 201);
  assert.deepEqual([put.body.isValid, put.body.errors], [true, []]);
  const before = await api.call('GET', '/workflows/drafted');
  assert.deepEqual([before.body.state, before.body.version, before.body.versionCount], ['draft', null, 0]);
  assert.equal((await fetch(`${api.origin}/drafted`)).status, 404);

  const published = await api.call('POST', '/workflows/drafted/publish');
  assertStatus(published, 200);
  assert.deepEqual(published.body, { name: 'drafted', version: 1, isChanged: true });
  assert.equal((await fetch(`${api.origin}/drafted`)).status, 200);
  assertStatus(await api.call('GET', '/workflows/drafted/draft'), 404, 'not_found');
  const again = await api.call('PUT', '/workflows/drafted/draft', { definition: greeting('drafted', '/drafted') });
  assertStatus(again, 200);
  assertStatus(await api.call('DELETE', '/workflows/drafted/draft'), 204);
  assertStatus(await api.call('DELETE', '/workflows/drafted/draft'), 404, 'not_found');
});

test('a draft with mistakes is refused with all of them and their places', async () => {
  const definition = `{
  // an author's text, comments and all
  "format": 1, "name": "wrong",
  "nodes": {
    "a": { "type": "code", "code": "return 1 +;", "next": "b" },
    "c": { "type": "nothing" }
  }
}`;
  const refused = await api.call('PUT', '/workflows/wrong/draft', { definition });
  assertStatus(refused, 422, 'invalid_workflow');
  const errors = refused.body.errors as Item[];
  const next = errors.find(({ pointer }) => pointer === '/nodes/a/next');
  assert.deepEqual([next?.line, next?.got], [5, '"b"']);
  const code = errors.find(({ pointer }) => pointer === '/nodes/a/code');
  assert.deepEqual([code?.line, code?.column, code?.code], [1, 11, 'syntax-error']);
  assert.ok(errors.some(({ pointer }) => pointer === '/nodes/c/type'));
  assertStatus(await api.call('GET', '/workflows/wrong'), 404, 'not_found');

  const kept = await api.call('PUT', '/workflows/wrong/draft?incomplete=true', { definition });
  assertStatus(kept, 201);
  assert.equal(kept.body.isValid, false);
  const draft = await api.call('GET', '/workflows/wrong/draft');
  assert.equal(draft.body.definition, definition);
  assert.deepEqual(draft.body.errors, errors);
  assertStatus(await api.call('POST', '/workflows/wrong/publish'), 422, 'invalid_workflow');
  assertStatus(await api.call('DELETE', '/workflows/wrong/draft'), 204);
  assertStatus(await api.call('GET', '/workflows/wrong'), 404, 'not_found');
});

test('a definition under the name of another is refused, incomplete or not', async () => {
  for (const query of ['', '?incomplete=true']) {
    const refused = await api.call('PUT', `/workflows/mine/draft${query}`, { definition: greeting('yours', '/yours') });
    assertStatus(refused, 422, 'invalid_workflow');
    assert.deepEqual(
      (refused.body.errors as Item[]).map(({ pointer, got, expected }) => [pointer, got, expected]),
      [['/name', '"yours"', '"mine"']],
    );
  }
});

test('code files travel with the definition, and findings name them', async () => {
  const definition = {
    format: 1,
    name: 'filed',
    triggers: [{ type: 'manual' }],
    nodes: { price: { type: 'code', code: { file: './price.ts' } } },
  };
  const missing = await api.call('POST', '/workflows/filed/publish', { definition });
  assertStatus(missing, 422, 'invalid_workflow');
  assert.equal((missing.body.errors as Item[])[0]?.pointer, '/nodes/price/code/file');
  const wrong = await api.call('POST', '/workflows/filed/publish', {
    definition,
    files: { './price.ts': 'const a: number = 1;\nreturn a +;' },
  });
  const [finding] = wrong.body.errors as (Item & { file: string })[];
  assert.deepEqual([finding?.file, finding?.line], ['./price.ts', 2]);

  const source = 'const price: number = 4;\nreturn { price };';
  assertStatus(
    await api.call('POST', '/workflows/filed/publish', { definition, files: { './price.ts': source } }),
    200,
  );
  const { body } = await api.call('GET', '/workflows/filed');
  assert.deepEqual(body.files, { './price.ts': source });
  assert.deepEqual((body.definition as { nodes: unknown }).nodes, definition.nodes);
  // What was published, with the content beside the name, is taken as well.
  const inline = {
    ...definition,
    nodes: { price: { type: 'code', code: { file: './price.ts', source } } },
  };
  const same = await api.call('POST', '/workflows/filed/publish', { definition: inline });
  assert.deepEqual(same.body, { name: 'filed', version: 1, isChanged: false });
});

test('versions are numbered, listed page by page, compared and rolled back', async () => {
  for (const text of ['one', 'two', 'three']) {
    await api.call('POST', '/workflows/story/publish', { definition: greeting('story', '/story', text) });
  }
  const first = await api.call('GET', '/workflows/story/versions?limit=2');
  assert.deepEqual(
    (first.body.items as { version: number; isPublished: boolean }[]).map(({ version, isPublished }) => [
      version,
      isPublished,
    ]),
    [
      [3, true],
      [2, false],
    ],
  );
  const rest = await api.call('GET', `/workflows/story/versions?limit=2&cursor=${first.body.nextCursor}`);
  assert.deepEqual(
    [(rest.body.items as { version: number }[]).map(({ version }) => version), rest.body.nextCursor],
    [[1], null],
  );
  assertStatus(await api.call('GET', '/workflows/story/versions?cursor=abc'), 400, 'invalid_input');

  const one = await api.call('GET', '/workflows/story/versions/1');
  assert.deepEqual([one.body.version, one.body.isPublished], [1, false]);
  assertStatus(await api.call('GET', '/workflows/story/versions/9'), 404, 'not_found');
  assertStatus(await api.call('GET', '/workflows/story/versions/x'), 400, 'invalid_input');

  const back = await api.call('POST', '/workflows/story/rollback', { version: 1 });
  assert.deepEqual(back.body, { name: 'story', version: 4, isChanged: true });
  const same = await api.call('GET', '/workflows/story/diff?from=1&to=4');
  assert.equal(same.body.isSame, true);
  assertStatus(await api.call('POST', '/workflows/story/rollback', { version: 77 }), 404, 'not_found');
});

test('a diff tells nodes added, removed and changed, with the code as a unified diff', async () => {
  const before = {
    ...greeting('changing', '/changing'),
    nodes: {
      a: { type: 'code', code: 'const x = 1;\nreturn x;', next: 'b' },
      b: { type: 'end' },
    },
  };
  const after = {
    ...greeting('changing', '/changed'),
    nodes: {
      a: { type: 'code', code: 'const x = 2;\nreturn x;', next: 'c' },
      c: { type: 'respond', status: 201 },
    },
  };
  await api.call('POST', '/workflows/changing/publish', { definition: before });
  await api.call('PUT', '/workflows/changing/draft', { definition: after });
  const { body } = await api.call('GET', '/workflows/changing/diff?from=published&to=draft');
  assert.equal(body.isSame, false);
  assert.deepEqual(
    (body.settings as { pointer: string }[]).map(({ pointer }) => pointer),
    ['/triggers'],
  );
  assert.deepEqual(body.nodes, {
    added: [{ name: 'c', type: 'respond' }],
    removed: [{ name: 'b', type: 'end' }],
    changed: [
      {
        name: 'a',
        typeBefore: 'code',
        typeAfter: 'code',
        fields: [{ pointer: '/nodes/a/next', before: 'b', after: 'c' }],
        code: {
          fileBefore: null,
          fileAfter: null,
          diff: '@@ -1,2 +1,2 @@\n-const x = 1;\n+const x = 2;\n return x;\n',
        },
      },
    ],
    isReordered: false,
  });
});

test('a workflow is shown with its triggers and what it uses', async () => {
  const definition = {
    format: 1,
    name: 'using',
    description: 'calls something',
    triggers: [{ type: 'http', method: 'POST', path: '/using/:id' }, { type: 'manual' }],
    durability: 'recorded',
    timeout: '5s',
    nodes: {
      wait: {
        type: 'code',
        code: "await ctx.sleep('1ms'); return vars;".replace('return vars;', 'return 1;'),
        next: 'send',
      },
      send: { type: 'http', method: 'POST', url: '{{ vars.HOOK }}', next: 'end' },
      end: { type: 'end' },
    },
  };
  assertStatus(await api.call('POST', '/workflows/using/publish', { definition, origin: 'folder-a' }), 200);
  const { body } = await api.call('GET', '/workflows/using');
  assert.deepEqual(
    [body.description, body.durability, body.timeoutMs, body.origin, body.state],
    ['calls something', 'recorded', 5000, 'folder-a', 'published'],
  );
  assert.deepEqual(body.triggers, [{ type: 'http', method: 'POST', path: '/using/:id' }, { type: 'manual' }]);
  assert.deepEqual(body.uses, {
    nodeTypes: ['code', 'end', 'http'],
    effects: ['http', 'sleep'],
    vars: ['HOOK'],
    resources: {},
  });
});

test('routes of another workflow are refused and stay with it', async () => {
  await api.call('POST', '/workflows/owner/publish', { definition: greeting('owner', '/owned/:a') });
  const refused = await api.call('POST', '/workflows/thief/publish', { definition: greeting('thief', '/owned/:b') });
  assertStatus(refused, 409, 'conflict');
  const [item] = refused.body.errors as Item[];
  assert.equal(item?.got, 'GET /owned/:b');
  assert.match(JSON.stringify(item), /owner \(GET \/owned\/:a\)/);
  assertStatus(await api.call('GET', '/workflows/thief'), 404, 'not_found');
  // Once its owner lets go of it, it is free.
  assertStatus(await api.call('POST', '/workflows/owner/unpublish'), 204);
  assertStatus(await api.call('POST', '/workflows/thief/publish', { definition: greeting('thief', '/owned/:b') }), 200);
  assertStatus(
    await api.call('POST', '/workflows/owner/publish', { definition: greeting('owner', '/owned/:a') }),
    409,
    'conflict',
  );
});

test('a workflow that was taken back answers no more, and comes back with the version it had', async () => {
  const definition = greeting('leaving', '/leaving');
  await api.call('POST', '/workflows/leaving/publish', { definition });
  assert.equal((await fetch(`${api.origin}/leaving`)).status, 200);
  assertStatus(await api.call('POST', '/workflows/leaving/unpublish'), 204);
  assert.equal((await fetch(`${api.origin}/leaving`)).status, 404);
  assert.equal((await api.call('GET', '/workflows/leaving')).body.state, 'unpublished');
  assertStatus(await api.call('DELETE', '/workflows/leaving'), 204);
  assert.equal((await api.call('GET', '/workflows/leaving')).body.state, 'archived');
  const listed = async (query: string): Promise<string[]> =>
    ((await api.call('GET', `/workflows?text=leaving${query}`)).body.items as { name: string }[]).map(
      ({ name }) => name,
    );
  assert.deepEqual(await listed(''), []);
  assert.deepEqual(await listed('&state=archived'), ['leaving']);
  const back = await api.call('POST', '/workflows/leaving/publish', { definition });
  assert.deepEqual(back.body, { name: 'leaving', version: 1, isChanged: true });
  assert.deepEqual(await listed(''), ['leaving']);
  assertStatus(await api.call('DELETE', '/workflows/nobody'), 404, 'not_found');
});

test('a batch publishes what is right, names what is not, and prunes what is gone from its origin', async () => {
  const batch = (workflows: unknown[], more = {}) =>
    api.call('POST', '/workflows', { workflows, origin: 'batch-folder', ...more });
  const first = await batch([
    { definition: greeting('batch-a', '/batch/a') },
    { definition: greeting('batch-b', '/batch/b') },
    { definition: greeting('batch-c', '/batch/same'), file: 'c.workflow.json' },
    { definition: greeting('batch-d', '/batch/same'), file: 'd.workflow.json' },
    { definition: { format: 1, name: 'batch-e', nodes: {} }, file: 'e.workflow.json' },
  ]);
  assertStatus(first, 200);
  assert.deepEqual(first.body.published, [
    { name: 'batch-a', version: 1 },
    { name: 'batch-b', version: 1 },
  ]);
  const refused = first.body.refused as { file: string; code: string; errors: Item[] }[];
  assert.deepEqual(
    refused.map(({ file, code }) => [file, code]),
    [
      ['e.workflow.json', 'invalid_workflow'],
      ['c.workflow.json', 'conflict'],
      ['d.workflow.json', 'conflict'],
    ],
  );
  assert.ok(refused.every(({ errors }) => errors.length > 0));

  // What has a mistake now is not taken for gone.
  const broken = await batch([{ definition: { format: 1, name: 'batch-b', nodes: {} } }], { prune: true });
  assert.deepEqual(broken.body.removed, ['batch-a']);
  assert.equal((await fetch(`${api.origin}/batch/b`)).status, 200);
  assert.equal((await fetch(`${api.origin}/batch/a`)).status, 404);

  const rehearsal = await batch([{ definition: greeting('batch-a', '/batch/b') }], { prune: true, dryRun: true });
  assert.deepEqual([(rehearsal.body.published as unknown[]).length, rehearsal.body.removed], [1, ['batch-b']]);
  assert.equal((await api.call('GET', '/workflows/batch-b')).body.state, 'published');
  // The route is free in the very step that takes it from the other one.
  const moved = await batch([{ definition: greeting('batch-a', '/batch/b', 'moved') }], { prune: true });
  assert.deepEqual([moved.body.published, moved.body.removed], [[{ name: 'batch-a', version: 2 }], ['batch-b']]);
  assert.equal((await api.call('GET', '/workflows?origin=batch-folder')).body.nextCursor, null);
});

test('two workflows of one batch may swap their routes', async () => {
  const swap = (left: string, right: string) =>
    api.call('POST', '/workflows', {
      workflows: [{ definition: greeting('swap-a', left) }, { definition: greeting('swap-b', right) }],
    });
  await swap('/swap/left', '/swap/right');
  const swapped = await swap('/swap/right', '/swap/left');
  assert.deepEqual([(swapped.body.published as unknown[]).length, swapped.body.refused], [2, []]);
});

test('workflows are listed page by page, by name, state and origin', async () => {
  const names = ['page-a', 'page-b', 'page-c', 'page-d', 'page-e'];
  await api.call('POST', '/workflows', {
    workflows: names.map((name) => ({ definition: greeting(name, `/${name}`) })),
    origin: 'pages',
  });
  const found: string[] = [];
  let cursor = '';
  do {
    const { body } = await api.call('GET', `/workflows?origin=pages&limit=2${cursor}`);
    const items = body.items as { name: string; version: number; triggers: unknown }[];
    found.push(...items.map(({ name }) => name));
    assert.ok(items.every(({ version, triggers, name }) => version === 1 && JSON.stringify(triggers).includes(name)));
    cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
  } while (cursor !== '');
  assert.deepEqual(found, names);
  const drafts = await api.call('GET', '/workflows?state=draft&text=page');
  assert.deepEqual(drafts.body.items, []);
  assertStatus(await api.call('GET', '/workflows?cursor=%21'), 400, 'invalid_input');
  assertStatus(await api.call('GET', '/workflows?state=gone'), 400, 'invalid_input');
});
