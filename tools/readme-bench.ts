/**
 * Writes the table of measurements into README.md, from what `nflow bench NAME --json docs/results/bench-NAME.json` saved.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { bars } from '../src/bench/bars.ts';
import type { BenchReport } from '../src/bench/bench.ts';
import type { BenchRow } from '../src/bench/row.ts';

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';

const reports = ['pool', 'http', 'durable', 'lanes', 'waiting', 'soak', 'start'].map(
  (name) =>
    JSON.parse(readFileSync(new URL(`../docs/results/bench-${name}.json`, import.meta.url), 'utf8')) as BenchReport,
);

function time(ms: number): string {
  if (ms < 0.001) return `${Math.round(ms * 1e6)} ns`;
  return ms < 1 ? `${Number((ms * 1000).toPrecision(3))} µs` : `${Number(ms.toPrecision(3))} ms`;
}

function line(row: BenchRow): string {
  const ratio = row.ratioToFloor === null ? '' : row.ratioToFloor.toFixed(2);
  const memory = row.pssMiB === null ? '' : `${Math.round(row.pssMiB)} MiB`;
  const bar = bars[row.name];
  const reached = bar === undefined ? '' : row.pass ? 'reached' : 'not yet';
  return `| \`${row.name}\` | ${Math.round(row.perSecond).toLocaleString('en')} | ${time(row.p50Ms)} | ${time(row.p99Ms)} | ${ratio} | ${memory} | ${bar?.must ?? ''} | ${reached} |`;
}

const machine = reports[1]?.machine;
const rows = reports.flatMap((report) => report.rows);
// The floor is measured in every bench: here it stands once, from the http bench.
const shown = rows.filter((row, at) => rows.findIndex((other) => other.name === row.name) === at);
const table = [
  '| row | per second | p50 | p99 | of its floor | memory | bar | |',
  '|---|---:|---:|---:|---:|---:|---|---|',
  ...shown.map(line),
  '',
  `${machine?.cpu}, ${machine?.cores} cores, ${machine?.memoryGiB} GiB, Node ${machine?.node}. Shared machine: take the ratios, not the figures.`,
].join('\n');

const path = new URL('../README.md', import.meta.url);
const readme = readFileSync(path, 'utf8');
const from = readme.indexOf(begin);
const to = readme.indexOf(end);
if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
writeFileSync(path, `${readme.slice(0, from + begin.length)}\n${table}\n${readme.slice(to)}`);
