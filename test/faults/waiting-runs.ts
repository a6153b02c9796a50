/** Runs that are in flight, waiting for the target, while something goes wrong beside them. */
import assert from 'node:assert/strict';
import { until } from '../support/condition.ts';
import type { NflowServer } from '../support/nflow-server.ts';
import type { TargetServer } from '../support/target-server.ts';
import { isAnswered, type Outcome, post } from './client.ts';

/** Two effects side by side, the unsafe one held by the target until the test releases it. */
export function waitingWorkflow(targetUrl: string): object {
  const code = [
    `const base = '${targetUrl}/' + input.params.run;`,
    'const [held, seen] = await Promise.all([',
    "  ctx.http.post(base + '/held?hold', { run: input.params.run }),",
    "  ctx.http.get(base + '/seen'),",
    ']);',
    "const last = await ctx.http.post(base + '/last', { held: held.body.n, seen: seen.body.n });",
    'return { run: input.params.run, last: last.body.path };',
  ];
  return {
    format: 1,
    name: 'waiting',
    triggers: [{ type: 'http', method: 'POST', path: '/waiting/:run' }],
    durability: 'durable',
    timeout: '60s',
    nodes: { work: { type: 'code', code: code.join('\n') } },
  };
}

/** Starts them; resolves when the target has got the held effect of each. */
export async function startWaiting(
  server: NflowServer,
  target: TargetServer,
  names: string[],
): Promise<Promise<Outcome>[]> {
  const outcomes = names.map((name) => post(server.address, 'waiting', name));
  const wanted = new Set(names.map((name) => `/${name}/held`));
  const isHeld = (): boolean =>
    target.log().filter(({ path }) => wanted.has(path.split('?')[0] ?? '')).length === names.length;
  await until(`${names.length} runs to wait`, isHeld, 30_000);
  return outcomes;
}

/** Lets the target answer: every run succeeds, and the target has seen each of its effects once. */
export async function assertAllSucceed(outcomes: readonly Promise<Outcome>[], target: TargetServer): Promise<void> {
  target.release();
  for (const outcome of await Promise.all(outcomes)) {
    assert.ok(isAnswered(outcome), `${outcome.run}: ${JSON.stringify(outcome)}`);
    assert.equal(outcome.status, 200, `${outcome.run}: ${outcome.body}`);
    assert.deepEqual(JSON.parse(outcome.body), { run: outcome.run, last: `/${outcome.run}/last` });
  }
  const paths = target.log().map(({ path }) => path);
  assert.equal(new Set(paths).size, paths.length, 'an effect was performed twice');
}
