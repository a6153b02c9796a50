/**
 * `npm run faults`: the fault tests at full size (see test/faults/sizes.ts), and a page of what was seen, docs/results/faults.md.
 * `NFLOW_TEST_SEED` repeats a run's seeds.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FaultReport, reportFileVariable } from '../test/faults/report.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs', 'results', 'faults.md');
/** One file at a time would be quieter; two make the moments less regular, and fit on two cores. */
const testConcurrency = 2;

/** What each figure means, in the words of the page. Figures without words are left out of the sentence. */
const words: Record<string, (value: number) => string> = {
  kills: (value) => `${value} kills`,
  runs: (value) => `${value} runs`,
  requests: (value) => `${value} requests`,
  answered: (value) => `${value} answered with 200, each with its succeeded row`,
  broken: (value) => `${value} saw a broken connection`,
  rows: (value) => `${value} executions with a row, each over exactly once`,
  interrupted: (value) => `${value} executions were interrupted, once or more`,
  givenUp: (value) => `${value} given up as crashed, after three gateways had died with them without progress`,
  recorded: (value) => `${value} effects had their record at a kill, none of them was performed again`,
  repeated: (value) => `${value} repeats of effects without a record, each under the same key`,
  waitingRuns: (value) => `${value} waiting runs went on`,
  failed: (value) => `${value} failed`,
  succeeded: (value) => `${value} succeeded`,
  refused: (value) => `${value} refused with 503 and Retry-After`,
  timedOut: (value) => `${value} timed out, and are recorded so`,
  recoveredMs: (value) => `20 answered with 200 within ${value} ms of PostgreSQL being back`,
  takenOver: (value) => `${value} executions taken over`,
};

function describe(figures: Record<string, number>): string {
  return Object.entries(figures)
    .map(([name, value]) => words[name]?.(value) ?? `${name.replace(/ ms$/, '')} ended after ${value} ms`)
    .join('; ');
}

function renderPage(reports: readonly FaultReport[], seconds: number): string {
  const rows = reports.map(({ fault, seed, figures }) => `| ${fault} | ${seed ?? ''} | ${describe(figures)} |`);
  return [
    '# Faults',
    '<!-- Written by tools/faults.ts (`npm run faults`). -->',
    `Last run: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, all passed, ${seconds} s, on Linux ${release()},`,
    `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}. \`NFLOW_TEST_SEED=… npm run faults\` repeats a seed.`,
    '',
    'What is done, and what must hold, is in test/faults. The judge of effects is the log of the server that they call.',
    '',
    '| fault | seed | seen |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function runTests(reportFile: string): Promise<number> {
  const files = globSync('test/faults/*.test.ts', { cwd: root }).sort();
  const child = spawn(
    process.execPath,
    ['--no-node-snapshot', '--test', `--test-concurrency=${testConcurrency}`, '--test-reporter=spec', ...files],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, NFLOW_TEST_FAULTS: 'long', [reportFileVariable]: reportFile },
    },
  );
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`the tests could not be started: ${error.message}`);
      resolve(1);
    });
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function readReports(file: string): FaultReport[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FaultReport)
    .sort((a, b) => (a.fault < b.fault ? -1 : 1));
}

const folder = mkdtempSync(join(tmpdir(), 'nflow-faults-'));
const startMs = performance.now();
try {
  const reportFile = join(folder, 'reports.ndjson');
  const exitCode = await runTests(reportFile);
  const reports = readReports(reportFile);
  for (const { fault, figures } of reports) console.log(`${fault}: ${describe(figures)}`);
  if (exitCode === 0) {
    mkdirSync(join(root, 'docs', 'results'), { recursive: true });
    writeFileSync(page, renderPage(reports, Math.round((performance.now() - startMs) / 1000)));
    console.log('written: docs/results/faults.md');
  } else {
    console.error('not all passed: docs/results/faults.md is left as it was');
  }
  process.exitCode = exitCode;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
