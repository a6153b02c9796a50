/** The benches themselves, with times too short to mean anything: every row is there, and every answer was the right one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { BenchOptions, BenchReport } from '../../src/bench/bench.ts';
import { runDurableBench } from '../../src/bench/durable.ts';
import { runHttpBench } from '../../src/bench/http.ts';
import { runPoolBench } from '../../src/bench/pool.ts';
import { runSoakBench, soakTenths } from '../../src/bench/soak.ts';
import { runStartBench } from '../../src/bench/start.ts';

const names = {
  pool: ['pool.acquireRelease', 'pool.run'],
  http: ['http.bare', 'http.ephemeral', 'http.ephemeralOneClient'],
  start: [
    'start.cold',
    'start.warm',
    'start.10000workflows',
    'route.10000workflows',
    'cold.firstAnswer',
    'cold.firstAnswerWithUrl',
  ],
  durable: ['http.bare', 'http.durable', 'http.durableOneClient', 'durable.oneEffect'],
};

const withoutFloor = new Set(['http.bare', 'start.cold', 'start.warm', 'start.10000workflows']);

function assertRows(report: BenchReport, expected: string[], progress: string[]): void {
  assert.deepEqual(
    report.rows.map(({ name }) => name),
    expected,
  );
  for (const row of report.rows) {
    assert.equal(row.errors, 0, `${row.name}: ${progress.join('\n')}`);
    assert.ok(row.perSecond > 0 && row.meanMs > 0 && row.p50Ms <= row.p99Ms, JSON.stringify(row));
    assert.equal(
      withoutFloor.has(row.name) || row.name.startsWith('cold.'),
      row.floor === null,
      `the floor of ${row.name}`,
    );
  }
  assert.ok(report.machine.cores >= 1);
}

function shortOptions(progress: string[]): BenchOptions {
  return { durationMs: 300, warmUpMs: 300, rounds: 1, onProgress: (line) => progress.push(line) };
}

test('bench pool gives its rows', async () => {
  const progress: string[] = [];
  assertRows(await runPoolBench(shortOptions(progress)), names.pool, progress);
});

test('bench http gives its rows beside the floor, from a real server', async () => {
  const progress: string[] = [];
  assertRows(await runHttpBench(shortOptions(progress)), names.http, progress);
});

test('bench durable gives its rows beside the floor, from a real server with a database', async () => {
  const progress: string[] = [];
  assertRows(await runDurableBench(shortOptions(progress)), names.durable, progress);
});

test('bench start gives its rows, from servers that really started', async () => {
  const progress: string[] = [];
  const report = await runStartBench(shortOptions(progress), { workflows: 20, firstAnswers: 2 });
  assertRows(report, names.start, progress);
});

test('bench soak gives its row, with the memory of each tenth and the count of the server', async () => {
  const progress: string[] = [];
  const executions = 3_000;
  const report = await runSoakBench({ onProgress: (line) => progress.push(line) }, { executions });
  const [row] = report.rows;
  assert.equal(report.rows.length, 1);
  assert.equal(row?.name, 'soak.3000');
  assert.equal(row.errors, 0, progress.join('\n'));
  assert.equal(row.pass, true);
  assert.ok(row.perSecond > 0 && row.p50Ms > 0 && row.p50Ms <= row.p99Ms, JSON.stringify(row));
  if (process.platform === 'linux') {
    assert.equal(row.pssMiBByTenth?.length, soakTenths);
    assert.ok(
      row.pssMiBByTenth.every((tenthMiB) => tenthMiB > 30),
      JSON.stringify(row),
    );
    assert.equal(row.pssMiB, row.pssMiBByTenth.at(-1));
  }
  assert.equal(progress.filter((line) => line.startsWith(`soak.${executions} `)).length, soakTenths);
  assert.ok(
    progress.some((line) => line.includes(`${executions} of ${executions} succeeded`)),
    progress.join('\n'),
  );
});
