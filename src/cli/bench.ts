import type { Command } from 'commander';
import type { BenchOptions, BenchReport } from '../bench/bench.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { writeJson, writeLine } from './terminal.ts';

type Bench = (options: BenchOptions) => Promise<BenchReport>;

const jsonOption = [
  '--json <file>',
  'also write { machine, rows } to a file; - prints it instead of the table',
] as const;
const soakExecutions = '1000000';
const soakExecutionsMost = 100_000_000;

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
    'effects',
    'workflows with an effect, beside the same without it and beside bare programs that do the same',
    async () => (await import('../bench/effects.ts')).runEffectsBench,
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

interface ReportFlags {
  json?: string;
}

interface BenchFlags extends ReportFlags {
  seconds: string;
  rounds: string;
}

interface SoakFlags extends ReportFlags {
  count: string;
}

export function addBenchCommand(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure this machine: every figure beside its floor in the same run');
  for (const [name, description, load] of benches) {
    bench
      .command(name)
      .description(description)
      .option(...jsonOption)
      .option('--seconds <n>', 'of one measured round', '5')
      .option('--rounds <n>', 'of each target, taking turns; medians count', '3')
      .action(async (flags: BenchFlags) => measure(await load(), flags));
  }
  bench
    .command('soak')
    .description('executions of every durability against one server: each must succeed, and memory must stay flat')
    .option(...jsonOption)
    .option('--count <n>', 'executions, a multiple of ten; only a million has a bar', soakExecutions)
    .action(soak);
}

async function measure(bench: Bench, flags: BenchFlags): Promise<void> {
  const seconds = parseCount('--seconds', flags.seconds, 60);
  const report = await bench({
    durationMs: seconds * 1000,
    warmUpMs: Math.min(2000, seconds * 1000),
    rounds: parseCount('--rounds', flags.rounds, 20),
    onProgress: showProgress,
  });
  await show(report, flags);
}

async function soak(flags: SoakFlags): Promise<void> {
  const executions = parseCount('--count', flags.count, soakExecutionsMost);
  const { runSoakBench, soakTenths } = await import('../bench/soak.ts');
  if (executions % soakTenths !== 0)
    throw new CommandFailure('usage', `--count takes a multiple of ${soakTenths}; got ${flags.count}`, exitCode.usage);
  await show(await runSoakBench({ onProgress: showProgress }, { executions }), flags);
}

function showProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function show(report: BenchReport, flags: ReportFlags): Promise<void> {
  const { formatReport, writeReport } = await import('../bench/report.ts');
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
