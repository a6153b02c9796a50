/** A bench report for people, and as a file. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Table from 'cli-table3';
import pc from 'picocolors';
import { bars } from './bars.ts';
import type { BenchReport } from './bench.ts';
import type { BenchRow } from './row.ts';

export function writeReport(report: BenchReport, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

/** The table of the terminal: every figure with its bar beside it. */
export function formatReport({ machine, rows, wrk }: BenchReport): string {
  const table = new Table({
    head: ['', 'per second', 'mean', 'p50', 'p99', 'errors', 'of floor', 'memory', 'bar', 'wanted', ''].map((text) =>
      pc.bold(text),
    ),
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'left', 'left', 'left'],
  });
  for (const row of rows) table.push(cellsOf(row));
  const notes = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, load before ${machine.loadBefore}`,
    'http.bare is one process that reads the body and answers a constant of the same size; nFlow is several. The load generator takes a core of the same machine.',
    ...Object.entries(wrk ?? {}).map(([name, ratio]) => `wrk finds ${ratio.toFixed(2)} of the floor for ${name}.`),
  ];
  if (machine.loadBefore > machine.cores * 0.5)
    notes.push('The machine was busy before the bench began: take the ratios, not the figures.');
  return `${table.toString()}\n${notes.join('\n')}`;
}

function cellsOf(row: BenchRow): string[] {
  const bar = bars[row.name];
  return [
    row.name,
    Math.round(row.perSecond).toLocaleString('en'),
    formatTime(row.meanMs),
    formatTime(row.p50Ms),
    formatTime(row.p99Ms),
    row.errors === 0 ? '0' : pc.red(String(row.errors)),
    row.ratioToFloor === null ? '' : formatRatio(row.ratioToFloor),
    row.pssMiB === null ? '' : `${Math.round(row.pssMiB)} MiB`,
    bar?.must ?? (row.pssMiBByTenth === undefined ? 'floor' : 'of a million only'),
    bar?.want ?? '',
    bar === undefined ? '' : row.pass ? pc.green('pass') : pc.red('FAIL'),
  ];
}

function formatRatio(ratio: number): string {
  return ratio < 0.1 ? ratio.toPrecision(2) : ratio.toFixed(2);
}

/** Three digits, in the unit that fits. */
function formatTime(durationMs: number): string {
  if (durationMs < 0.001) return `${(durationMs * 1e6).toPrecision(3)} ns`;
  if (durationMs < 1) return `${Number((durationMs * 1000).toPrecision(3))} us`;
  return `${Number(durationMs.toPrecision(3))} ms`;
}
