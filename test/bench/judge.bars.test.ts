import assert from 'node:assert/strict';
import test from 'node:test';
import { bars, judge } from '../../src/bench/bars.ts';
import { medianOf } from '../../src/bench/load.ts';
import type { LoadResult } from '../../src/bench/load-generator.ts';
import { formatReport } from '../../src/bench/report.ts';

const measured = { perSecond: 700, meanMs: 1, p50Ms: 1, p99Ms: 10, errors: 0 };

test('a row passes at its bar and fails below it', () => {
  assert.equal(judge({ ...measured, name: 'http.ephemeral', floor: 1000 }).pass, true);
  assert.equal(judge({ ...measured, name: 'http.ephemeral', floor: 1001 }).pass, false);
  assert.equal(judge({ ...measured, name: 'http.durable', floor: 1000 }).pass, true);
  assert.equal(judge({ ...measured, name: 'http.durable', floor: 1000, p99Ms: 50 }).pass, false);
  assert.equal(judge({ ...measured, name: 'http.durableOneClient', p50Ms: 2 }).pass, false);
  assert.equal(judge({ ...measured, name: 'http.bare' }).pass, true);
});

test('a row with a wrong answer, or with none, fails', () => {
  assert.equal(judge({ ...measured, name: 'http.bare', errors: 1 }).pass, false);
  assert.equal(judge({ ...measured, name: 'http.bare', perSecond: 0 }).pass, false);
});

test('a row has every field of the file', () => {
  assert.deepEqual(judge({ ...measured, name: 'http.ephemeral', floor: 1000, pssMiB: 120 }), {
    ...{ name: 'http.ephemeral', ...measured, floor: 1000, ratioToFloor: 0.7, pssMiB: 120, pass: true },
  });
});

test('the median of rounds is taken figure by figure, and errors add up', () => {
  const round = (perSecond: number, p50Ms: number, errors: number): LoadResult => ({
    ...{ answers: 10, perSecond, meanMs: p50Ms, p50Ms, p99Ms: p50Ms, errors, firstError: errors > 0 ? 'bad' : null },
  });
  const odd = medianOf([round(100, 3, 0), round(300, 1, 2), round(200, 2, 1)]);
  assert.deepEqual([odd.perSecond, odd.p50Ms, odd.errors, odd.answers, odd.firstError], [200, 2, 3, 30, 'bad']);
  assert.equal(medianOf([round(100, 1, 0), round(200, 1, 0)]).perSecond, 150);
});

test('the table shows each figure beside its bar', () => {
  const machine = {
    ...{
      cpu: 'C',
      cores: 2,
      memoryGiB: 4,
      os: 'linux',
      node: '26',
      loadBefore: 0,
      takenAt: '2026-01-01T00:00:00.000Z',
    },
  };
  const rows = [judge({ ...measured, name: 'http.ephemeral', floor: 500, pssMiB: 120 })];
  const text = formatReport({ machine, rows, wrk: { 'http.ephemeral': 0.91 } });
  const line = text.split('\n').find((candidate) => candidate.includes('http.ephemeral')) ?? '';
  for (const part of ['700', '1 ms', '10 ms', '1.40', '120 MiB', bars['http.ephemeral']?.must ?? '?', 'pass']) {
    assert.ok(line.includes(part), `${part} is missing in: ${line}`);
  }
  assert.match(text, /wrk finds 0\.91/);
});

test('memory is flat when its last tenth is no more than garbage above the second and the sixth', () => {
  const soak = (tenthsMiB: number[]): boolean =>
    judge({ ...measured, name: 'soak.1000000', pssMiBByTenth: tenthsMiB }).pass;
  const settled = (last: number): number[] => [100, ...Array.from({ length: 8 }, () => 500), last];
  assert.equal(soak(settled(500)), true);
  assert.equal(soak(settled(525)), true);
  assert.equal(soak(settled(526)), false, 'more than 5 % above the sixth');
  assert.equal(soak([100, 500, 520, 530, 540, 549, 549, 549, 550, 550]), true);
  assert.equal(soak([100, 500, 520, 530, 540, 550, 550, 550, 551, 551]), false, 'more than 10 % above the second');
  assert.equal(soak([30, 50, 55, 60, 60, 60, 60, 65, 70, 70]), true, 'little memory may be uneven');
  assert.equal(soak([30, 50, 55, 60, 60, 60, 60, 65, 70, 71]), false);
  assert.equal(judge({ ...measured, name: 'soak.1000000' }).pass, true, 'where it cannot be told');
  assert.equal(judge({ ...measured, name: 'soak.1000000', errors: 1, pssMiBByTenth: settled(500) }).pass, false);
});
