/**
 * `npm run abuse [-- --count N --seconds N]`: against whole servers, every form of test/abuse/forms.ts, 20,000 times each, then three times
 * the load that a server can do, for 60 seconds. Of a run of at least that size it writes a page of what was seen, docs/results/abuse.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { abuseForms, abuseWorkflows, smuggledWorkflow } from '../test/abuse/forms.ts';
import {
  type OverloadReport,
  overloadMistakes,
  overloadWorkflows,
  playOverload,
  refusalMsMax,
} from '../test/abuse/overload.ts';
import { play, unexpected } from '../test/abuse/play.ts';
import { readMetrics, readSettledState, type ServerState, untilBackTo } from '../test/abuse/server-state.ts';
import { type Cleanup, startNflowServer } from '../test/support/nflow-server.ts';

const page = fileURLToPath(new URL('../docs/results/abuse.md', import.meta.url));
const fullCount = 20_000;
const fullSeconds = 60;
const bodySizeMax = 64 * 1024;
const atOnce = 100;
/** They cost the server nothing but a connection while they wait for its time limit. */
const atOnceWaiting = 2_000;
const isWaiting = /do not come to an end|without a word|a body too large/;

interface FormsReport {
  /** Of the page's table. */
  rows: string[];
  before: ServerState;
  after: ServerState;
  mistakes: string[];
}

async function playForms(cleanup: Cleanup, count: number): Promise<FormsReport> {
  const server = await startNflowServer(cleanup, {
    workflows: abuseWorkflows,
    egressAllow: [],
    env: { NFLOW_SERVER__REQUEST_TIMEOUT: '2s', NFLOW_SERVER__MAX_BODY_BYTES: String(bodySizeMax) },
  });
  const port = Number(new URL(server.address).port);
  const forms = abuseForms({ bodySizeMax });
  for (const form of forms) await play(form, port, 20, 20);
  const before = await readSettledState(server);
  const rows: string[] = [];
  const mistakes: string[] = [];
  for (const form of forms) {
    const played = await play(form, port, count, isWaiting.test(form.name) ? atOnceWaiting : atOnce);
    mistakes.push(...unexpected(played, form).map((mistake) => `${form.name}: ${mistake}`));
    const seen = [...played.outcomes].map(([outcome, times]) => `${times} × ${outcome}`).join('; ');
    const seconds = played.seconds.toFixed(0);
    rows.push(`| ${form.name} | ${seen} | ${seconds} |`);
    console.log(`${form.name}: ${seen} (${seconds} s)`);
  }
  if ((await readMetrics(server)).includes(`workflow="${smuggledWorkflow}"`))
    mistakes.push('a request was smuggled in');
  const after = await untilBackTo(before, server);
  await server.stop();
  return { rows, before, after, mistakes };
}

async function overload(cleanup: Cleanup, seconds: number): Promise<OverloadReport> {
  const server = await startNflowServer(cleanup, { workflows: overloadWorkflows, egressAllow: [] });
  const report = await playOverload(server, seconds);
  await server.stop();
  return report;
}

function describeOverload(report: OverloadReport): string {
  const recovered = report.recoveredMs === null ? 'not in time' : `${Math.round(report.recoveredMs)} ms after it`;
  return [
    `It can do ${report.capacityPerSecond} runs a second and was asked ${report.askedPerSecond}, for ${report.seconds} s:`,
    `${report.asked} requests, ${report.succeeded} succeeded, ${report.refused} refused with 503.`,
    `A refusal took ${report.refusedP50Ms} ms (p50), ${report.refusedP90Ms} ms (p90), ${report.refusedP99Ms} ms (p99), ${report.refusedMaxMs} ms at most; ${report.refusedLate} took ${refusalMsMax} ms or more.`,
    `Memory of gateway and runners: ${report.beforeMiB} MiB before, ${report.mostMiB} MiB at its highest.`,
    `Back to normal: ${recovered}.`,
  ].join('\n');
}

function renderPage(count: number, { rows, before, after }: FormsReport, report: OverloadReport): string {
  const held = ({ descriptors, vmsInUse, residentMiB }: ServerState): string =>
    `${Object.values(descriptors).reduce((sum, n) => sum + n, 0)} open files, ${vmsInUse} runs, ${residentMiB} MiB`;
  return [
    '# Abuse',
    '<!-- Written by tools/abuse.ts (`npm run abuse`). -->',
    `Last run: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${count} of each form, on Linux ${release()},`,
    `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}.`,
    '',
    `The gateway before: ${held(before)}. After all of it: ${held(after)}. The same processes throughout; no smuggled request ran.`,
    '',
    '| form | what came of it | seconds |',
    '|---|---|---|',
    ...rows,
    '',
    '## Three times what it can do',
    describeOverload(report),
    '',
  ].join('\n');
}

function parseSize(flag: string, given: string | undefined, fallback: number): number {
  const size = Number(given ?? fallback);
  if (Number.isInteger(size) && size >= 1) return size;
  throw new RangeError(`${flag} takes a whole number from 1 on; got ${given}`);
}

const { values } = parseArgs({ options: { count: { type: 'string' }, seconds: { type: 'string' } } });
const count = parseSize('--count', values.count, fullCount);
const seconds = parseSize('--seconds', values.seconds, fullSeconds);
const cleanups: (() => unknown)[] = [];
const cleanup: Cleanup = { after: (act?: unknown) => void cleanups.unshift(act as () => unknown) };

try {
  const forms = await playForms(cleanup, count);
  const overloaded = await overload(cleanup, seconds);
  console.log(describeOverload(overloaded));
  const mistakes = [...forms.mistakes, ...overloadMistakes(overloaded).map((what) => `overload: not so: ${what}`)];
  for (const mistake of mistakes) console.error(mistake);
  if (mistakes.length > 0) {
    console.error('not as it must be: docs/results/abuse.md is left as it was');
    process.exitCode = 1;
  } else if (count < fullCount || seconds < fullSeconds) {
    console.log('all as it must be; the run was a short one: docs/results/abuse.md is left as it was');
  } else {
    mkdirSync(join(page, '..'), { recursive: true });
    writeFileSync(page, renderPage(count, forms, overloaded));
    console.log('written: docs/results/abuse.md');
  }
} finally {
  for (const act of cleanups) await act();
}
