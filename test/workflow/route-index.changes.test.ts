import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HttpTrigger } from '../../src/workflow/compiled.ts';
import { buildRoutes, type RouteEntry, RouteIndex, routeKeyOf } from '../../src/workflow/routes.ts';

let count = 0;
function entry(workflow: string, path: string, method: HttpTrigger['method'] = 'GET'): RouteEntry<number> {
  const trigger: HttpTrigger = {
    type: 'http',
    method,
    path,
    headers: [],
    cookies: [],
    rawBody: false,
    sandboxHtml: true,
    cors: 'configured',
  };
  return { workflow, trigger, effectFree: count % 2 === 0, target: ++count };
}

const paths = ['/a', '/a/b', '/a/:x', '/a/:y/c', '/:z', '/a/*', '/b/:x', '/b/c', '/*'];
const urls = ['/', '/a', '/a/', '/a/b', '/a/q', '/a/q/c', '/a/q/d', '/b', '/b/c', '/b/x', '/c', '/c/d/e'];

/** What a table says of every address: target and parameters, or the methods. */
function answers(table: Pick<RouteIndex<number>, 'find'>) {
  return urls.flatMap((url) =>
    ['GET', 'HEAD', 'POST'].map((method) => {
      const found = table.find(method, url);
      if (found === null || !('target' in found)) return [method, url, found];
      return [method, url, found.target, { ...found.params }];
    }),
  );
}

const change = fc.record({
  removed: fc.array(fc.constantFrom('w0', 'w1', 'w2'), { maxLength: 2 }),
  added: fc.dictionary(
    fc.constantFrom('w0', 'w1', 'w2', 'w3'),
    fc.array(fc.tuple(fc.constantFrom(...paths), fc.constantFrom('GET' as const, 'POST' as const)), { maxLength: 3 }),
    { maxKeys: 2 },
  ),
});

test('after any changes the routes are those of a table that is built anew', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
      const index = new RouteIndex<number>();
      let present: RouteEntry<number>[] = [];
      for (const { removed, added } of changes) {
        const leaving = new Set([...removed, ...Object.keys(added)]);
        present = present.filter(({ workflow }) => !leaving.has(workflow));
        const taken = new Set(present.map(({ trigger }) => routeKeyOf(trigger)));
        const entries: RouteEntry<number>[] = [];
        for (const [workflow, routes] of Object.entries(added)) {
          for (const [path, method] of routes) {
            const made = entry(workflow, path, method);
            const key = routeKeyOf(made.trigger);
            if (!taken.has(key)) entries.push(made);
            taken.add(key);
          }
        }
        index.replace(leaving, entries);
        present.push(...entries);
        assert.deepEqual(answers(index), answers(buildRoutes(present).table));
        for (const { workflow, trigger } of present) {
          assert.equal(index.ownerOf(routeKeyOf(trigger))?.workflow, workflow);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('a path that the server answers itself is a conflict, and left out', () => {
  const { table, conflicts } = buildRoutes([entry('a', '/healthz'), entry('b', '/b')], new Set(['/healthz']));
  assert.equal(table.find('GET', '/healthz'), null);
  assert.deepEqual(
    conflicts.map(({ workflows }) => workflows),
    [['(the server itself)', 'a']],
  );
});
