import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { type TestContext, test } from 'node:test';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { until } from '../support/condition.ts';
import { startTestDispatcher } from '../support/execution-harness.ts';
import { burn, dispatch, programOf } from './dispatched.ts';

type Options = Parameters<typeof startTestDispatcher>[0];

/** With its slow runners and its spare up. */
async function startLanes(t: TestContext, options: Options = {}): Promise<RunnerDispatcher> {
  const dispatcher = await startTestDispatcher({ slowRunners: 1, ...options });
  t.after(() => dispatcher.close());
  await until('a slow runner and a spare are up', () => isWhole(dispatcher));
  return dispatcher;
}

function isWhole(dispatcher: RunnerDispatcher): boolean {
  const { runners, vmSize } = dispatcher.stats();
  return runners.fast === 1 && runners.slow === 1 && runners.spare === 1 && vmSize >= 3;
}

const light = 'return { light: true };';

test('a long segment loses the fast lane to the spare, ends all the same, and what was behind it is answered meanwhile', async (t) => {
  const dispatcher = await startLanes(t);
  const quick = programOf('quick', light);
  for (let i = 0; i < 5; i++) await dispatch(dispatcher, quick).ended;
  const long = dispatch(dispatcher, programOf('long', `${burn(2000)} return { long: true };`));
  const behind = Array.from({ length: 20 }, () => dispatch(dispatcher, quick));
  const answered = await Promise.all(
    behind.map(async ({ ended }) => {
      const end = await ended;
      // What was sent already starts again: whoever dispatched it is told that it has left.
      return end.loss === null ? end : dispatch(dispatcher, quick, { isReturning: true }).ended;
    }),
  );
  const { handoffsTotal } = dispatcher.stats();
  assert.deepEqual(
    answered.map(({ outcome }) => outcome?.status),
    answered.map(() => 'succeeded'),
  );
  assert.equal(handoffsTotal, 1);
  const { outcome, tookMs } = await long.ended;
  assert.equal(outcome?.output.toString(), '{"long":true}');
  for (const end of answered) assert.ok(end.tookMs < tookMs / 2, `${end.tookMs} ms behind one of ${tookMs} ms`);
  await until('the fast lane, the slow one and a spare are there again', () => isWhole(dispatcher));
  assert.equal(dispatcher.stats().restartsTotal, 0);
});

test('a workflow that was heavy goes to the slow lane: light ones meet it no more', async (t) => {
  const dispatcher = await startLanes(t);
  const heavy = programOf('heavy', `${burn(100)} return 1;`);
  await dispatch(dispatcher, heavy).ended;
  const quick = programOf('quick', light);
  for (let i = 0; i < 5; i++) await dispatch(dispatcher, quick).ended;
  const { handoffsTotal } = dispatcher.stats();
  const heavies = Array.from({ length: 10 }, () => dispatch(dispatcher, heavy));
  let isOver = false;
  const allHeavy = Promise.all(heavies.map(({ ended }) => ended)).then((ends) => {
    isOver = true;
    return ends;
  });
  let besideHeavy = 0;
  while (!isOver) {
    const { outcome, loss } = await dispatch(dispatcher, quick).ended;
    assert.equal(outcome?.status, 'succeeded', JSON.stringify(loss));
    if (!isOver) besideHeavy++;
  }
  assert.ok(besideHeavy > 20, `only ${besideHeavy} light runs while ten heavy ones went on`);
  for (const { outcome } of await allHeavy) assert.equal(outcome?.status, 'succeeded');
  assert.equal(dispatcher.stats().handoffsTotal, handoffsTotal);
});

test('what was learned is used by the next dispatcher', async (t) => {
  const first = await startLanes(t);
  const heavy = programOf('heavy', `${burn(100)} return 1;`);
  for (let i = 0; i < 3; i++) await dispatch(first, heavy).ended;
  const learned = first.learned();
  assert.ok((learned.get('heavy')?.startMs ?? 0) > 5, JSON.stringify([...learned]));

  const second = await startLanes(t, { learned });
  const quick = programOf('quick', light);
  const heavies = Array.from({ length: 3 }, () => dispatch(second, heavy));
  await dispatch(second, quick).ended;
  await Promise.all(heavies.map(({ ended }) => ended));
  assert.equal(second.stats().handoffsTotal, 0);
});

test('a light run that waits where heavy ones execute comes back elsewhere when its result arrives', async (t) => {
  const dispatcher = await startLanes(t);
  const waiting = programOf('waiting', "const r = await ctx.http.get('http://target/'); return r.body;");
  const long = programOf('long', `${burn(3000)} return { long: true };`);
  const filler = programOf('filler', `${burn(200)} return 0;`);
  // An unknown workflow goes to the slow lane while another one has work.
  const fillers = dispatch(dispatcher, filler);
  const waits = dispatch(dispatcher, waiting);
  await waits.waits;
  await fillers.ended;
  const heavies = Array.from({ length: 2 }, () => dispatch(dispatcher, long));
  const blocker = dispatch(dispatcher, filler);
  const result = JSON.stringify({ status: 200, headers: {}, bodyKind: 'json', bodyText: '{"came":1}' });
  waits.handle.deliver('only', 1, true, result, 1_700_000_000_001, false);
  const { outcome, loss } = await waits.ended;
  assert.ok(loss?.kind === 'evicted' || outcome?.status === 'succeeded', JSON.stringify(loss));
  for (const { handle } of [...heavies, blocker]) handle.drop();
});

test('slow runners have a lower priority', {
  skip: process.platform !== 'linux' && 'priorities of other processes are read as Linux has them',
}, async (t) => {
  const dispatcher = await startLanes(t);
  const priorities = dispatcher.pids.map((pid) => getPriority(pid)).sort((left, right) => left - right);
  assert.equal(priorities[0], getPriority());
  assert.ok((priorities.at(-1) as number) > getPriority());
});

test('what would wait for longer than acquire_timeout_ms is refused at once, and what was taken in is not', async (t) => {
  const dispatcher = await startTestDispatcher({ acquireTimeoutMs: 300 });
  t.after(() => dispatcher.close());
  const heavy = programOf('heavy', `${burn(100)} return 1;`);
  for (let i = 0; i < 3; i++) await dispatch(dispatcher, heavy).ended;
  const runs = Array.from({ length: 40 }, () => dispatch(dispatcher, heavy));
  const returning = dispatch(dispatcher, heavy, { isReturning: true });
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  const refused = ends.filter(({ loss }) => loss?.kind === 'pool_exhausted');
  assert.ok(refused.length >= 20, `only ${refused.length} of 40 were refused`);
  // The estimate is of CPU, so a few may be refused when their time is over; most are at once.
  const atOnce = refused.filter(({ tookMs }) => tookMs < 250);
  assert.ok(atOnce.length >= refused.length / 2, `${atOnce.length} of ${refused.length} at once`);
  assert.equal((await returning.ended).outcome?.status, 'succeeded');
  assert.equal(dispatcher.stats().exhaustedTotal, refused.length);
});

test('a runner executes workflows of one trust group only', async (t) => {
  const dispatcher = await startLanes(t);
  const before = new Set(dispatcher.pids);
  const ends = await Promise.all([
    dispatch(dispatcher, programOf('mine', light)).ended,
    dispatch(dispatcher, programOf('theirs', light, 'strangers')).ended,
  ]);
  for (const { outcome } of ends) assert.equal(outcome?.status, 'succeeded');
  const { runners } = dispatcher.stats();
  assert.equal(runners.fast, 2);
  // The spare became theirs: it can be nobody else's any more, and another one is started.
  await until('there is a spare again', () => dispatcher.stats().runners.spare === 1);
  assert.ok(dispatcher.pids.some((pid) => !before.has(pid)));
});
