import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, evaluate, Guest, programOf } from '../support/vm.ts';

const http = (status: number, body: string): string =>
  JSON.stringify({ status, headers: { a: 'b' }, bodyKind: 'json', bodyText: body });

function start(source: string) {
  const guest = new Guest(programOf([codeNode('only', source)]));
  const answer = guest.start();
  assert.equal(answer.kind, 'waits');
  return { guest, run: answer.run, effects: answer.kind === 'waits' ? answer.effects : [] };
}

test('an effect leaves with its step, attempt, number, kind and canonical arguments', () => {
  const { guest, effects } = start(
    'await ctx.http.post("http://a/", { x: 1 }, { headers: { b: 2, a: "1" }, timeout: "1m30s" });',
  );
  assert.deepEqual(
    effects.map((effect) => effect.slice(0, 4)),
    [['only', 1, 1, 'http']],
  );
  assert.deepEqual(JSON.parse(String(effects[0]?.[4])), {
    method: 'POST',
    url: 'http://a/',
    headers: { a: '1', b: '2' },
    query: null,
    body: '{"x":1}',
    bodyKind: 'json',
    timeoutMs: 90_000,
    redirect: 'follow',
  });
  guest.vm.dispose();
});

test('results resolve, failures and statuses from 400 on reject with what a program can look at', () => {
  const source = `
    const ok = await ctx.http.get('http://a/1');
    let status, response, reason;
    try { await ctx.http.get('http://a/2'); } catch (error) { status = error.status; response = error.response.body; }
    try { await ctx.http.get('http://a/3'); } catch (error) { reason = [error.code, error.reason, error.retryable]; }
    return { ok: ok.body, status, response, reason };`;
  const { guest, run } = start(source);
  assert.equal(guest.deliver(run, 'only', 1, http(200, '[1]')).kind, 'waits');
  assert.equal(guest.deliver(run, 'only', 2, http(404, '{"no":1}')).kind, 'waits');
  const failed = JSON.stringify({ code: 'effect_failed', message: 'm', reason: 'timeout', retryable: true });
  const end = guest.deliver(run, 'only', 3, failed, { ok: false });
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, {
    ok: [1],
    status: 404,
    response: { no: 1 },
    reason: ['effect_failed', 'timeout', true],
  });
  guest.vm.dispose();
});

test('an effect failure that nobody catches ends the run as effect_failed', () => {
  const { guest, run } = start('await ctx.http.get("http://a/");');
  const end = guest.deliver(run, 'only', 1, http(500, '{}'));
  assert.equal(end.kind === 'failed' && end.error.code, 'effect_failed');
  guest.vm.dispose();
});

test('an effect that is not awaited leaves with the end, and its result finds nobody', () => {
  using guest = new Guest(programOf([codeNode('only', 'ctx.http.post("http://a/", 1); return "done";')]));
  const answer = guest.start();
  assert.ok(answer.kind === 'ended');
  assert.equal(answer.output, 'done');
  assert.equal(answer.effects.length, 1);
});

test('after its step has ended a context calls nothing any more', () => {
  const first =
    'globalThis; const late = () => ctx.http.get("http://late/"); await ctx.sleep(1); Promise.resolve().then(() => {}).then(() => late().catch((e) => console.log(e.message))); return 1;';
  using guest = new Guest(
    programOf([codeNode('only', first, 'next'), codeNode('next', 'await ctx.sleep(5); return 2;')]),
  );
  const answer = guest.start();
  const next = guest.deliver(answer.run, 'only', 1, 'null');
  assert.ok(next.kind === 'waits');
  assert.deepEqual(
    next.effects.filter((effect) => effect[3] === 'http').filter((effect) => effect[0] !== 'only'),
    [],
  );
});

test('parallel effects and effects of a run have limits with an error that says so', () => {
  const source =
    'const all = Array.from({ length: 101 }, (_, i) => ctx.sleep(i)); return await all[100].catch((e) => e.message);';
  using guest = new Guest(programOf([codeNode('only', source)]));
  const answer = guest.start();
  assert.ok(answer.kind === 'ended');
  assert.match(String(answer.output), /100 effects at a time/);
});

test('durations that are none are refused with what is allowed', () => {
  for (const wrong of ['"soon"', '-1', '"5"', '{}', 'NaN']) {
    assert.match(String(evaluate(`return await ctx.sleep(${wrong}).catch((error) => error.message);`)), /200ms/);
  }
});

test('time stands still within a segment and every clock agrees', () => {
  const source = `
    const seen = () => [Date.now(), new Date().getTime(), Temporal.Now.instant().epochMilliseconds, ctx.now(),
      Temporal.Now.plainDateISO().toString(), new Intl.DateTimeFormat('en', { timeZone: 'UTC', year: 'numeric' }).format(), Date().slice(11, 15)];
    const before = seen(); await ctx.sleep(1); return [before, seen()];`;
  const { guest, run } = start(source);
  const end = guest.deliver(run, 'only', 1, 'null', { timeMs: 1_800_000_000_000 });
  assert.ok(end.kind === 'ended');
  const line = (ms: number) => [
    ms,
    ms,
    ms,
    ms,
    new Date(ms).toISOString().slice(0, 10),
    String(new Date(ms).getUTCFullYear()),
    String(new Date(ms).getUTCFullYear()),
  ];
  assert.deepEqual(end.output, [line(1_700_000_000_000), line(1_800_000_000_000)]);
  guest.vm.dispose();
});

test('random numbers repeat for one seed and differ between seeds and steps', () => {
  const draw = 'return [Math.random(), ctx.random(), ctx.uuid()];';
  const once = evaluate(draw) as unknown[];
  assert.deepEqual(evaluate(draw), once);
  assert.notDeepEqual(evaluate(draw, { seed: 'ff112233445566778899aabbccddeeff' }), once);
  assert.match(String(once[2]), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  using guest = new Guest(
    programOf([
      codeNode('a', draw, 'b'),
      codeNode('b', `const own = [Math.random(), ctx.random(), ctx.uuid()]; return [own, prev];`),
    ]),
  );
  const answer = guest.start();
  assert.ok(answer.kind === 'ended');
  const [own, prev] = answer.output as [unknown[], unknown[]];
  assert.notDeepEqual(own, prev);
});

test('random numbers are spread evenly', () => {
  const counts = evaluate(
    'const c = new Array(16).fill(0); for (let i = 0; i < 64000; i++) c[Math.floor(Math.random() * 16)]++; return c;',
  ) as number[];
  // Chi-square with 15 degrees of freedom: 45 is far beyond the 99.99th percentile, and the seed is fixed.
  const chiSquare = counts.reduce((sum, count) => sum + (count - 4000) ** 2 / 4000, 0);
  assert.ok(chiSquare < 45, `chi-square ${chiSquare}`);
});

test('a resumed run starts after its finished steps with their outputs', () => {
  const nodes = [
    codeNode('a', 'return { n: 1 };', 'b'),
    codeNode('b', 'await ctx.sleep(1); return prev.n + nodes.a.n;', 'c'),
    codeNode('c', 'return [prev, nodes.a.n];'),
  ];
  using guest = new Guest(programOf(nodes));
  const first = guest.start();
  assert.ok(first.kind === 'waits' && first.finished.length === 1);
  using other = new Guest(programOf(nodes));
  const again = other.start({ resume: { finished: first.finished, elapsedUs: 10 } });
  assert.ok(again.kind === 'waits');
  assert.deepEqual(again.effects, first.effects);
  const end = other.deliver(again.run, 'b', 1, 'null');
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, [2, 1]);
  assert.deepEqual(
    end.trace.map((step) => (step as unknown[])[0]),
    ['a', 'b', 'c'],
  );
});
