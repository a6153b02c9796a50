import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MonitorPaths, reservedPathsOf } from '../../src/server/monitor-paths.ts';

const usual = { enabled: true, healthCheckPath: '/health', metricsPath: '/metrics' };
const moved = { enabled: true, healthCheckPath: '/internal/healthz', metricsPath: '/prometheus' };

/** What no route answers. */
const nowhere = new MonitorPaths({ ...usual, enabled: false }).routeUrl('/health');

const cases: [what: string, monitor: typeof usual, url: string, route: string][] = [
  ['the usual paths are their own routes', usual, '/health', '/health'],
  ['the usual paths are their own routes', usual, '/metrics?a=1', '/metrics?a=1'],
  ['a moved path leads to the usual route', moved, '/internal/healthz', '/health'],
  ['a moved path leads to the usual route', moved, '/internal/healthz/', '/health'],
  ['a moved path leads to the usual route', moved, '/prometheus?a=/b', '/metrics?a=/b'],
  ['the usual path is nobody’s once it has moved', moved, '/health', nowhere],
  ['the usual path is nobody’s once it has moved', moved, '/metrics/?a', `${nowhere}?a`],
  ['readiness and workflows are as they were', moved, '/ready', '/ready'],
  ['readiness and workflows are as they were', moved, '/internal/healthz/deeper', '/internal/healthz/deeper'],
  ['readiness and workflows are as they were', { ...moved, enabled: false }, '/ready', '/ready'],
  ['off, neither is there', { ...usual, enabled: false }, '/metrics', nowhere],
  ['off, a moved path is anybody’s', { ...moved, enabled: false }, '/prometheus', '/prometheus'],
  [
    'the two can change places',
    { ...usual, healthCheckPath: '/metrics', metricsPath: '/health' },
    '/health',
    '/metrics',
  ],
  [
    'the two can change places',
    { ...usual, healthCheckPath: '/metrics', metricsPath: '/health' },
    '/metrics',
    '/health',
  ],
];

for (const [what, monitor, url, route] of cases) {
  test(`${what}: ${monitor.enabled ? '' : 'off, '}${monitor.healthCheckPath} and ${monitor.metricsPath}, ${url}`, () => {
    assert.equal(new MonitorPaths(monitor).routeUrl(url), route);
  });
}

test('what is off or as usual has no route, and workflows may not have the paths that are moved to', () => {
  assert.ok(!['/health', '/metrics', '/ready'].includes(nowhere));
  assert.deepEqual([...reservedPathsOf(usual)], []);
  assert.deepEqual([...reservedPathsOf(moved)], ['/internal/healthz', '/prometheus']);
  assert.deepEqual([...reservedPathsOf({ ...moved, enabled: false })], []);
});
