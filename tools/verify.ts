/**
 * `npm run verify` = `npm test` = what CI runs. Arguments name the steps to run alone: `npm run verify -- types layers`.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runSteps, type VerifyStep } from './verify-steps.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Tests wait on processes and disks more than they compute, but their deadlines suffer when too many share a core. */
const testConcurrency = Math.min(4, Math.max(2, availableParallelism()));
/** Of one test. A file that leaks (a socket, a child) hangs after its last test: the limit of the step ends that. */
const testTimeoutMs = 300_000;
const gateTimeoutMs = 300_000;
const allTestsTimeoutMs = 2_100_000;

export const steps: readonly VerifyStep[] = [
  {
    name: 'format',
    args: ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.'],
    timeoutMs: gateTimeoutMs,
  },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-p', '.'], timeoutMs: gateTimeoutMs },
  { name: 'layers', args: ['tools/layers.ts'], timeoutMs: gateTimeoutMs },
  { name: 'house', args: ['tools/house-rules.ts'], timeoutMs: gateTimeoutMs },
  { name: 'build', args: ['tools/build.ts', '--check'], timeoutMs: gateTimeoutMs },
  { name: 'machine', args: ['tools/machine.ts'], timeoutMs: gateTimeoutMs },
  {
    name: 'tests',
    args: [
      // isolated-vm ends the process without it; the runner of the tests hands it on to every test file.
      '--no-node-snapshot',
      '--test',
      `--test-concurrency=${testConcurrency}`,
      `--test-timeout=${testTimeoutMs}`,
      '--test-reporter=spec',
      'test/**/*.test.ts',
    ],
    timeoutMs: allTestsTimeoutMs,
  },
];

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(`unknown step: ${unknown.join(', ')}; there are ${steps.map((step) => step.name).join(', ')}`);
    process.exitCode = 2;
  } else {
    process.exitCode = await runSteps(
      wanted.length === 0 ? steps : steps.filter((step) => wanted.includes(step.name)),
      root,
    );
  }
}
