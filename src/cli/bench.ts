import type { Command } from 'commander';
import type { BenchOptions, BenchReport } from '../bench/bench.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { writeJson, writeLine } from './terminal.ts';

type Bench = (options: BenchOptions) => Promise<BenchReport>;

const benches: readonly [name: string, description: string, load: () => Promise<Bench>][] = [
  [
    'pool',
    'the VM pool of a runner: acquire and release, and a trivial run',
    async () => (await import('../bench/pool.ts')).runPoolBench,
  ],
  [
    'http',
    'requests a second without durability, beside a bare node:http server',
    async () => (await import('../bench/http.ts')).runHttpBench,
  ],
  [
    'durable',
    'requests a second, each committed before its answer, beside a bare node:http server',
    async () => (await import('../bench/durable.ts')).runDurableBench,
  ],
  [
    'lanes',
    'a light workflow alone, and beside one that takes 50 ms of CPU and is driven to saturation',
    async () => (await import('../bench/lanes.ts')).runLanesBench,
  ],
  [
    'waiting',
    'thousands of executions that wait, with clients and without, and more workflows than VMs',
    async () => (await import('../bench/waiting.ts')).runWaitingBench,
  ],
  [
    'start',
    'starts, cold, warm and with ten thousand workflows, and the first answer of a workflow',
    async () => (await import('../bench/start.ts')).runStartBench,
  ],
];

interface BenchFlags {
  json?: string;
  seconds: string;
  rounds: string;
}

export function addBenchCommand(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure this machine: every figure beside its floor in the same run');
  for (const [name, description, load] of benches) {
    bench
      .command(name)
      .description(description)
      .option('--json <file>', 'also write { machine, rows } to a file; - prints it instead of the table')
      .option('--seconds <n>', 'of one measured round', '5')
      .option('--rounds <n>', 'of each target, taking turns; medians count', '3')
      .action(async (flags: BenchFlags) => measure(await load(), flags));
  }
}

async function measure(bench: Bench, flags: BenchFlags): Promise<void> {
  const { formatReport, writeReport } = await import('../bench/report.ts');
  const seconds = parseCount('--seconds', flags.seconds, 60);
  const report = await bench({
    durationMs: seconds * 1000,
    warmUpMs: Math.min(2000, seconds * 1000),
    rounds: parseCount('--rounds', flags.rounds, 20),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  if (flags.json === '-') writeJson(report);
  else writeLine(formatReport(report));
  if (flags.json !== undefined && flags.json !== '-') writeReport(report, flags.json);
  const failed = report.rows.filter((row) => !row.pass).map((row) => row.name);
  if (failed.length > 0) throw new CommandFailure('bar_missed', `not reached: ${failed.join(', ')}`, exitCode.failed);
}

function parseCount(flag: string, given: string, most: number): number {
  const count = Number(given);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw new CommandFailure('usage', `${flag} takes a whole number from 1 to ${most}; got ${given}`, exitCode.usage);
}
