import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestDispatcher } from '../support/execution-harness.ts';
import { dispatch, programOf } from './dispatched.ts';

const threeWaits = `for (let i = 0; i < 3; i++) await ctx.http.get('http://target/' + i);
return 'done';`;
const result = JSON.stringify({ status: 200, headers: {}, body: null });

test('a run that has come back keeps its VM until it was given something new, and another start waits for that', {
  timeout: 60_000,
}, async (t) => {
  // One runner with one VM: whoever starts puts the other out.
  const dispatcher = await startTestDispatcher({ maxSize: 1 });
  t.after(() => dispatcher.close());
  const back = dispatch(dispatcher, programOf('back', threeWaits), { isReturning: true });
  await back.waits;
  const other = dispatch(dispatcher, programOf('other', threeWaits), { isReturning: true });
  let hasOtherBegun = false;
  void other.waits.then(() => {
    hasOtherBegun = true;
  });
  for (const seq of [1, 2]) {
    await delay(100);
    back.handle.deliver('only', seq, true, result, 1_700_000_000_000 + seq, true);
  }
  await delay(100);
  assert.equal(hasOtherBegun, false);
  assert.equal(dispatcher.stats().evictedTotal, 0);

  back.handle.deliver('only', 3, true, result, 1_700_000_000_003, false);
  const { outcome } = await back.ended;
  assert.equal(outcome?.status, 'succeeded');
  await other.waits;
});

test('one that is given nothing loses its claim after a while', { timeout: 60_000 }, async (t) => {
  const dispatcher = await startTestDispatcher({ maxSize: 1 });
  t.after(() => dispatcher.close());
  const back = dispatch(dispatcher, programOf('back', threeWaits), { isReturning: true });
  await back.waits;
  const other = dispatch(dispatcher, programOf('other', threeWaits));
  await other.waits;
  assert.equal(dispatcher.stats().evictedTotal, 1);
});

test('a start that waits for a claimed VM can be dropped', { timeout: 60_000 }, async (t) => {
  const dispatcher = await startTestDispatcher({ maxSize: 1 });
  t.after(() => dispatcher.close());
  const back = dispatch(dispatcher, programOf('back', threeWaits), { isReturning: true });
  await back.waits;
  const dropped = dispatch(dispatcher, programOf('other', threeWaits));
  await delay(50);
  dropped.handle.drop();
  const third = dispatch(dispatcher, programOf('third', `return 'here';`));
  const { outcome } = await third.ended;
  assert.equal(outcome?.status, 'succeeded');
  assert.equal(dispatcher.stats().evictedTotal, 1);
});
