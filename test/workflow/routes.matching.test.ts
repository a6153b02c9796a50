import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HttpTrigger } from '../../src/workflow/compiled.ts';
import { buildRoutes, type RouteEntry, type RouteMatch } from '../../src/workflow/routes.ts';

function entry(method: HttpTrigger['method'], path: string, effectFree = false): RouteEntry<string> {
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
  return { workflow: `${method} ${path}`, trigger, effectFree, target: `${method} ${path}` };
}

function tableOf(...entries: RouteEntry<string>[]) {
  const { table, conflicts } = buildRoutes(entries);
  assert.deepEqual(conflicts, []);
  return table;
}

function match(found: unknown): { target: string; params: Record<string, string> } {
  const { target, params } = found as RouteMatch<string>;
  return { target, params: { ...params } };
}

test('a fixed text goes before a parameter, and that before a star', () => {
  const table = tableOf(entry('GET', '/a/*'), entry('GET', '/a/:x'), entry('GET', '/a/b'), entry('GET', '/a/:x/c'));
  assert.deepEqual(match(table.find('GET', '/a/b')), { target: 'GET /a/b', params: {} });
  assert.deepEqual(match(table.find('GET', '/a/1')), { target: 'GET /a/:x', params: { x: '1' } });
  assert.deepEqual(match(table.find('GET', '/a/b/c')), { target: 'GET /a/:x/c', params: { x: 'b' } });
  assert.deepEqual(match(table.find('GET', '/a/b/d')), { target: 'GET /a/*', params: { '*': 'b/d' } });
});

test('a path of the server itself conflicts with a route that is it, and no parameter and no star matches it', () => {
  const entries = [entry('GET', '/healthz'), entry('GET', '/:page'), entry('POST', '/:page'), entry('GET', '/*')];
  const { table, conflicts } = buildRoutes(entries, new Set(['/healthz']));
  assert.deepEqual(conflicts, [
    { method: 'GET', paths: ['/healthz', '/healthz'], workflows: ['(the server itself)', 'GET /healthz'] },
  ]);
  for (const path of ['/healthz', '/healthz/', '/%68ealthz']) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT'])
      assert.equal(table.find(method, path), null, `${method} ${path}`);
  }
  assert.equal(match(table.find('GET', '/healthz2')).target, 'GET /:page');
  assert.equal(match(table.find('GET', '/healthz/deeper')).target, 'GET /*');
});

test('a slash at the end means nothing', () => {
  const table = tableOf(entry('GET', '/a/:x'), entry('GET', '/b'), entry('GET', '/'));
  assert.equal(match(table.find('GET', '/a/1/')).target, 'GET /a/:x');
  assert.equal(match(table.find('GET', '/b/')).target, 'GET /b');
  assert.equal(match(table.find('GET', '/')).target, 'GET /');
  assert.equal(table.find('GET', '/a/'), null);
});

test('nothing empty is matched', () => {
  const table = tableOf(entry('GET', '/a/:x/c'), entry('GET', '/:x'), entry('GET', '/f/*'));
  for (const path of ['/', '//', '/a//c', '/f//', '/f//x', '/x//', '', 'a', '*']) {
    assert.equal(table.find('GET', path), null, path);
  }
});

test('another method is told which ones there are', () => {
  const table = tableOf(entry('POST', '/a/b'), entry('GET', '/a/:x', true), entry('DELETE', '/a/*'));
  assert.deepEqual(table.find('PUT', '/a/b'), { allow: ['GET', 'HEAD', 'POST', 'DELETE'] });
  assert.deepEqual(table.find('POST', '/a/c'), { allow: ['GET', 'HEAD', 'DELETE'] });
  assert.deepEqual(table.find('BREW', '/a/c/d'), { allow: ['DELETE'] });
  assert.equal(table.find('GET', '/x'), null);
  // The method is looked at first.
  assert.equal(match(table.find('GET', '/a/b')).target, 'GET /a/:x');
});

test('HEAD is answered where GET is, when the workflow has no effects', () => {
  const table = tableOf(entry('GET', '/free', true), entry('GET', '/effects', false), entry('GET', '/p/:x', true));
  assert.equal(match(table.find('HEAD', '/free')).target, 'GET /free');
  assert.deepEqual(match(table.find('HEAD', '/p/1')), { target: 'GET /p/:x', params: { x: '1' } });
  assert.deepEqual(table.find('HEAD', '/effects'), { allow: ['GET'] });
  assert.equal(match(tableOf(entry('HEAD', '/h'), entry('GET', '/h', true)).find('HEAD', '/h')).target, 'HEAD /h');
});

test('parameters are decoded once, and fixed texts too', () => {
  const table = tableOf(entry('GET', '/a/:x/y'), entry('GET', '/año'), entry('GET', '/f/*'));
  assert.deepEqual(match(table.find('GET', '/a/%2F%C3%A9%2525/y')).params, { x: '/é%25' });
  assert.equal(match(table.find('GET', '/%61/1/%79')).target, 'GET /a/:x/y');
  assert.equal(match(table.find('GET', '/a%C3%B1o')).target, 'GET /año');
  assert.deepEqual(match(table.find('GET', '/f/a%20b/%3Fc')).params, { '*': 'a b/?c' });
  assert.deepEqual(match(table.find('GET', `/a/${'x'.repeat(8000)}/y`)).params.x?.length, 8000);
});

test('an encoding that is none is told apart from a path without a route', () => {
  const table = tableOf(entry('GET', '/a/:x'), entry('POST', '/b'));
  for (const path of ['/a/%', '/a/%zz', '/a/%C3', '/%E0%A4%A']) {
    assert.deepEqual(table.find('GET', path), { malformed: true }, path);
    assert.deepEqual(table.find('PUT', path), { malformed: true }, path);
    assert.deepEqual(table.find('HEAD', path), { malformed: true }, path);
  }
});

test('parameters have no prototype and no name can reach one', () => {
  const found = tableOf(entry('GET', '/a/:toString')).find('GET', '/a/1') as RouteMatch<string>;
  assert.deepEqual(found.params.toString, '1');
  for (const name of ['constructor', 'hasOwnProperty', '__proto__']) assert.equal(name in found.params, false, name);
  assert.throws(() => buildRoutes([entry('GET', '/a/:__proto__')]), TypeError);
});

test('routes that match the same requests are all left out, and named', () => {
  const { table, conflicts } = buildRoutes([
    entry('GET', '/a/:x'),
    entry('GET', '/a/:y'),
    entry('POST', '/a/:z'),
    entry('GET', '/a/b'),
  ]);
  assert.deepEqual(conflicts, [{ method: 'GET', paths: ['/a/:x', '/a/:y'], workflows: ['GET /a/:x', 'GET /a/:y'] }]);
  assert.deepEqual(table.find('GET', '/a/1'), { allow: ['POST'] });
  assert.equal(match(table.find('GET', '/a/b')).target, 'GET /a/b');
});

/** The rules of the table, said as plainly as possible: try the routes of the method in the order of their kinds. */
function naiveFind(entries: readonly RouteEntry<string>[], method: string, path: string) {
  const split = (text: string) =>
    text
      .replace(/(.)\/$/, '$1')
      .slice(1)
      .split('/');
  const parts = split(path);
  if (path !== '/' && parts.includes('')) return null;
  const rank = (segment: string | undefined) => (segment === '*' ? 2 : segment?.startsWith(':') ? 1 : 0);
  const matchOne = ({ trigger, target }: RouteEntry<string>) => {
    const params: Record<string, string> = {};
    const segments = split(trigger.path);
    for (const [index, segment] of segments.entries()) {
      const part = parts[index];
      if (part === undefined) return null;
      if (segment === '*')
        return { target, params: { ...params, '*': decodeURIComponent(parts.slice(index).join('/')) }, segments };
      if (segment.startsWith(':')) params[segment.slice(1)] = decodeURIComponent(part);
      else if (segment !== decodeURIComponent(part)) return null;
    }
    return segments.length === parts.length ? { target, params, segments } : null;
  };
  const matches = entries
    .filter(({ trigger }) => trigger.method === method)
    .flatMap((one) => matchOne(one) ?? [])
    .filter(({ params }) => !Object.values(params).includes(''))
    .sort((a, b) => {
      const at = a.segments.findIndex((segment, index) => rank(segment) !== rank(b.segments[index]));
      return at === -1 ? 0 : rank(a.segments[at]) - rank(b.segments[at]);
    });
  const first = matches[0];
  return first === undefined ? null : { target: first.target, params: first.params };
}

test('the table finds what a plain matcher finds, for any routes and paths', () => {
  const word = fc.constantFrom('a', 'b', 'ab', 'abc', 'é');
  const segment = fc.oneof({ weight: 3, arbitrary: word }, { weight: 2, arbitrary: fc.constantFrom(':p', ':q') });
  const path = fc
    .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
    .map(
      ([segments, isOpen]) =>
        `/${[...segments.map((one, index) => (one.startsWith(':') ? `${one}${index}` : one)), ...(isOpen ? ['*'] : [])].join('/')}`,
    );
  const method = fc.constantFrom('GET' as const, 'POST' as const);
  const requestPart = fc.constantFrom('a', 'b', 'ab', 'abc', '%61', '%C3%A9', 'x', 'a%2Fb', '%2525', '');
  const request = fc
    .tuple(fc.array(requestPart, { maxLength: 5 }), fc.boolean())
    .map(([parts, hasSlash]) => `/${parts.join('/')}${hasSlash && parts.length > 0 ? '/' : ''}`);
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(method, path), {
        maxLength: 12,
        selector: ([m, p]) => `${m} ${p.replace(/:\w+/g, ':')}`,
      }),
      fc.array(fc.tuple(method, request), { minLength: 1, maxLength: 20 }),
      (routes, requests) => {
        const entries = routes.map(([m, p]) => entry(m, p));
        const table = tableOf(...entries);
        for (const [m, p] of requests) {
          const found = table.find(m, p);
          const expected = naiveFind(entries, m, p);
          const isMatch = found !== null && 'target' in found;
          assert.deepEqual(isMatch ? match(found) : null, expected, `${m} ${p}`);
          const other = naiveFind(entries, m === 'GET' ? 'POST' : 'GET', p);
          if (expected === null) assert.equal(found !== null, other !== null, `${m} ${p} with another method`);
        }
      },
    ),
    { numRuns: 500 },
  );
});
