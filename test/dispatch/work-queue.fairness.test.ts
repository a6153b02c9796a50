import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchedRun } from '../../src/dispatch/dispatched-run.ts';
import { RunnerGroup } from '../../src/dispatch/runner-group.ts';
import { WorkQueue } from '../../src/dispatch/work-queue.ts';
import { WorkflowProfile } from '../../src/dispatch/workflow-profile.ts';
import { programOf } from './dispatched.ts';

const group = new RunnerGroup('default', 0);
const listener = { onSegment: () => {}, onEnd: () => {}, onLoss: () => {}, onBadBody: () => {} };

function profileOf(workflow: string): WorkflowProfile {
  return new WorkflowProfile(workflow, group, undefined);
}

function runOf(profile: WorkflowProfile, token: number): DispatchedRun {
  const start = {
    program: programOf(profile.workflow, 'return 1;'),
    executionId: '',
    version: 1,
    inputJson: '{}',
    body: null,
    timeMs: 0,
    seed: '',
    resume: null,
    deadlineMs: 0,
    care: 'none' as const,
  };
  return new DispatchedRun(token, start, listener, profile, group.fast);
}

function push(queue: WorkQueue, profile: WorkflowProfile, costMs: number, token = 0): void {
  queue.push({ run: runOf(profile, token), delivery: null, costMs, queuedMs: 0, predictedMs: 0 });
}

/** CPU that each workflow got in the first `totalMs`. */
function served(queue: WorkQueue, totalMs: number): Map<string, number> {
  const shares = new Map<string, number>();
  for (let spentMs = 0; spentMs < totalMs; ) {
    const work = queue.take();
    if (work === null) break;
    spentMs += work.costMs;
    const { workflow } = work.run.profile;
    shares.set(workflow, (shares.get(workflow) ?? 0) + work.costMs);
  }
  return shares;
}

test('workflows share by CPU, whatever they queue and however long their segments are', () => {
  const queue = new WorkQueue(1);
  const [short, long, few] = [profileOf('short'), profileOf('long'), profileOf('few')];
  for (let i = 0; i < 5000; i++) push(queue, short, 0.1);
  for (let i = 0; i < 50; i++) push(queue, long, 10);
  for (let i = 0; i < 100; i++) push(queue, few, 1);
  const shares = served(queue, 240);
  for (const workflow of ['short', 'long', 'few']) {
    const share = shares.get(workflow) ?? 0;
    assert.ok(share >= 65 && share <= 95, `${workflow} got ${share} of 240 ms`);
  }
});

test('one that queues a single segment behind ten thousand of another is next but few', () => {
  const queue = new WorkQueue(1);
  const [many, one] = [profileOf('many'), profileOf('one')];
  for (let i = 0; i < 10_000; i++) push(queue, many, 0.1);
  push(queue, one, 0.1);
  let before = 0;
  while (queue.take()?.run.profile !== one) before++;
  assert.ok(before <= 20, `${before} before it`);
  assert.ok(Math.abs(queue.totalMs - (10_000 - before) * 0.1) < 0.01, `${queue.totalMs} ms left`);
});

test('a workflow that asks for little does not wait for a round of many that ask for much, and gets no more than its share', () => {
  const queue = new WorkQueue(1);
  const long = Array.from({ length: 100 }, (_, i) => profileOf(`long-${i}`));
  for (const profile of long) for (let i = 0; i < 5; i++) push(queue, profile, 20);
  const little = profileOf('little');
  // One segment of it for each that another one is given.
  let waitedMost = 0;
  for (let i = 0; i < 50; i++) {
    push(queue, little, 0.01);
    let waited = 0;
    while (queue.take()?.run.profile !== little) waited++;
    waitedMost = Math.max(waitedMost, waited);
    queue.take();
  }
  assert.ok(waitedMost <= 1, `${waitedMost} long ones before it`);

  const greedy = profileOf('greedy');
  for (let i = 0; i < 20_000; i++) push(queue, greedy, 0.1);
  const shares = served(queue, 2000);
  assert.ok((shares.get('greedy') ?? 0) <= 60, `${shares.get('greedy')} of 2000 ms for one of a hundred`);
});

test('the segments of one workflow keep their order, and all come out once', () => {
  const queue = new WorkQueue(1);
  const profiles = ['a', 'b', 'c'].map(profileOf);
  let token = 0;
  for (let i = 0; i < 3000; i++) push(queue, profiles[i % 3] as WorkflowProfile, 0.01 + (i % 7), ++token);
  const last = new Map<string, number>();
  let count = 0;
  for (let work = queue.take(); work !== null; work = queue.take()) {
    const { profile, token: taken } = work.run;
    assert.ok(taken > (last.get(profile.workflow) ?? 0), `${taken} after ${last.get(profile.workflow)}`);
    last.set(profile.workflow, taken);
    count++;
    if (count === 1500) push(queue, profiles[0] as WorkflowProfile, 1, ++token);
  }
  assert.equal(count, 3001);
  assert.equal(queue.size, 0);
  assert.equal(queue.totalMs, 0);
});

test('a segment of 30 seconds is found without counting through its rounds', () => {
  const queue = new WorkQueue(1);
  push(queue, profileOf('hour'), 3_600_000);
  push(queue, profileOf('long'), 30_000);
  assert.equal(queue.take()?.costMs, 30_000);
  assert.equal(queue.take()?.costMs, 3_600_000);
  assert.equal(queue.take(), null);
});

test('what waited for too long is taken out of every workflow, and the rest stays', () => {
  const queue = new WorkQueue(1);
  const [left, right] = [profileOf('left'), profileOf('right')];
  for (let i = 0; i < 10; i++) push(queue, left, 1, i);
  for (let i = 0; i < 3; i++) push(queue, right, 1, i);
  const taken: number[] = [];
  queue.takeWhile(
    ({ run }) => run.token < 5,
    ({ run }) => taken.push(run.token),
  );
  assert.deepEqual(taken.toSorted(), [0, 0, 1, 1, 2, 2, 3, 4]);
  assert.equal(queue.size, 5);
  for (let i = 5; i < 10; i++) assert.equal(queue.take()?.run.token, i);
  assert.equal(queue.take(), null);
  push(queue, right, 1, 99);
  assert.equal(queue.take()?.run.token, 99);
});

test('the wait of a workflow with little queued is not that of the others', () => {
  const queue = new WorkQueue(1);
  const [many, one] = [profileOf('many'), profileOf('one')];
  for (let i = 0; i < 1000; i++) push(queue, many, 1);
  assert.ok(queue.aheadOf(many, 1) >= 1000);
  assert.ok(queue.aheadOf(one, 1) <= 2);
  assert.ok(queue.aheadOf(one, 5) <= 5);
});
