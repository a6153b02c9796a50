/**
 * `npm run faults`: the fault tests in their long form, one after the other, since each of them loads the machine. When all pass,
 * their figures are kept in docs/results/faults.md, with the date. Arguments name files to run alone; then nothing is kept.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FaultReport, reportFileVariable } from '../test/faults/report.ts';
import { runSteps } from './verify-steps.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const allFaultsTimeoutMs = 7_200_000;

/** One row for each fault: the same page after the same figures, whatever the order. */
function formatResults(reports: readonly FaultReport[]): string {
  const rows = reports.map(({ fault, seed, figures }) => {
    const text = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
    return `| ${fault} | ${seed ?? ''} | ${text.join(', ')} |`;
  });
  return `# Fault tests, long form

Made by \`npm run faults\` on ${new Date().toISOString().slice(0, 10)}: Node ${process.versions.node}, ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores. All passed.

| fault | seed | figures |
|---|---|---|
${rows.sort().join('\n')}
`;
}

const files = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'nflow-faults-'));
const reportFile = join(folder, 'reports.jsonl');
writeFileSync(reportFile, '');
try {
  process.exitCode = await runSteps(
    [
      {
        name: 'faults',
        args: [
          '--no-node-snapshot',
          '--test',
          '--test-concurrency=1',
          '--test-reporter=spec',
          ...(files.length === 0 ? ['test/faults/**/*.test.ts'] : files),
        ],
        env: { NFLOW_TEST_FAULTS: 'long', [reportFileVariable]: reportFile },
        timeoutMs: allFaultsTimeoutMs,
      },
    ],
    root,
  );
  if (process.exitCode === 0 && files.length === 0) {
    const lines = readFileSync(reportFile, 'utf8').split('\n').filter(Boolean);
    mkdirSync(join(root, 'docs/results'), { recursive: true });
    writeFileSync(
      join(root, 'docs/results/faults.md'),
      formatResults(lines.map((line) => JSON.parse(line) as FaultReport)),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
