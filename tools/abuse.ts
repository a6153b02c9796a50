/**
 * `node bin/pinned-node.mjs tools/abuse.ts [COUNT]`: every form of test/abuse/forms.ts, 20,000 times each unless COUNT says another number,
 * against a whole server, and a page of what was seen, docs/results/abuse.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { abuseForms, abuseWorkflows, smuggledWorkflow } from '../test/abuse/forms.ts';
import { play, unexpected } from '../test/abuse/play.ts';
import { readMetrics, readSettledState, untilBackTo } from '../test/abuse/server-state.ts';
import { startNflowServer } from '../test/support/nflow-server.ts';

const page = fileURLToPath(new URL('../docs/results/abuse.md', import.meta.url));
const bodySizeMax = 64 * 1024;
const atOnce = 100;
/** They cost the server nothing but a connection while they wait for its time limit. */
const atOnceWaiting = 2_000;
const isWaiting = /do not come to an end|without a word|a body too large/;

const count = Number(process.argv[2] ?? 20_000);
const cleanups: (() => unknown)[] = [];
const cleanup = { after: (act?: unknown) => void cleanups.unshift(act as () => unknown) };

try {
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
  let wrong = 0;
  for (const form of forms) {
    const played = await play(form, port, count, isWaiting.test(form.name) ? atOnceWaiting : atOnce);
    const mistakes = unexpected(played, form);
    wrong += mistakes.length;
    const seen = [...played.outcomes].map(([outcome, times]) => `${times} × ${outcome}`).join('; ');
    rows.push(`| ${form.name} | ${seen} | ${played.seconds.toFixed(0)} |`);
    console.log(
      `${form.name}: ${seen} (${played.seconds.toFixed(0)} s)${mistakes.length > 0 ? ' — NOT AS IT MUST BE' : ''}`,
    );
  }
  if ((await readMetrics(server)).includes(`workflow="${smuggledWorkflow}"`)) {
    wrong++;
    console.error('a request was smuggled in');
  }
  const after = await untilBackTo(before, server);
  await server.stop();
  if (wrong > 0) {
    console.error('docs/results/abuse.md is left as it was');
    process.exitCode = 1;
  } else {
    const held = (state: typeof before): string =>
      `${Object.values(state.descriptors).reduce((sum, n) => sum + n, 0)} open files, ${state.vmsInUse} runs, ${state.residentMiB} MiB`;
    mkdirSync(join(page, '..'), { recursive: true });
    writeFileSync(
      page,
      [
        '# Abuse',
        '<!-- Written by tools/abuse.ts. -->',
        `Last run: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${count} of each form, on Linux ${release()},`,
        `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}.`,
        '',
        `The gateway before: ${held(before)}. After all of it: ${held(after)}. The same processes throughout; no smuggled request ran.`,
        '',
        '| form | what came of it | seconds |',
        '|---|---|---|',
        ...rows,
        '',
      ].join('\n'),
    );
    console.log('written: docs/results/abuse.md');
  }
} finally {
  for (const act of cleanups) await act();
}
