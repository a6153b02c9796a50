import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdictOfAnswer } from '../../src/effects/http/verdict.ts';

const nowMs = Date.parse('2027-01-01T00:00:00Z');

function verdictOf(status: number, headers: Record<string, string> = {}) {
  const json = JSON.stringify({ status, headers, bodyKind: 'none', bodyText: '' });
  return verdictOfAnswer({ ok: true, json }, nowMs);
}

test('an answer is worth repeating when its status says that the next one may be another', () => {
  const retryable = [200, 304, 400, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504].filter(
    (status) => verdictOf(status).retryable,
  );
  assert.deepEqual(retryable, [408, 425, 429, 500, 502, 503, 504]);
  assert.deepEqual(
    [200, 304, 400, 500].map((status) => verdictOf(status).succeeded),
    [true, true, false, false],
  );
});

const waits: [header: string, waitMs: number | null][] = [
  ['3', 3000],
  ['0', 0],
  ['Fri, 01 Jan 2027 00:00:05 GMT', 5000],
  ['Thu, 31 Dec 2026 23:59:00 GMT', 0],
  ['soon', null],
];
for (const [header, waitMs] of waits) {
  test(`Retry-After: ${header} is a wait of ${waitMs === null ? 'nobody knows how long' : `${waitMs} ms`}`, () => {
    assert.equal(verdictOf(503, { 'retry-after': header }).retryAfterMs, waitMs);
    assert.equal(verdictOf(404, { 'retry-after': header }).retryAfterMs, null);
  });
}
