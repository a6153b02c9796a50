import { test } from 'node:test';
import type { PointName } from '../../src/engine/points.ts';
import { until } from '../support/condition.ts';
import { type NflowServer, startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer } from '../support/target-server.ts';
import { type Outcome, post } from './client.ts';
import { CrashJudge } from './crash-judge.ts';
import { killGateway, untilAllIsOver } from './killed-gateway.ts';
import { orderWorkflow } from './order-workflow.ts';
import { report } from './report.ts';
import { seededFrom } from './seed.ts';
import { faultTestTimeoutMs, sizes } from './sizes.ts';

const points: PointName[] = ['before-effect', 'after-effect', 'before-commit', 'after-commit', 'before-answer'];
/** A run passes each point at least once: so many arrivals come for certain. */
const runsPerKill = 12;
/** Some of them come when the gateway is dead, and wait in the listening socket for the next one. */
const lateRunsPerKill = 4;

test('a gateway that is killed at any named point loses nothing, ends nothing twice, and repeats no recorded effect', {
  timeout: faultTestTimeoutMs,
}, async (t) => {
  const seeded = seededFrom(t);
  const target = await startTargetServer();
  t.after(() => target.stop());
  const judge = new CrashJudge(target);
  const options = { workflows: { order: orderWorkflow(target.url) }, egressAllow: [`127.0.0.1:${target.port}`] };
  const outcomes: Promise<Outcome>[] = [];
  const start = ({ address }: NflowServer): Promise<Outcome> => post(address, 'order', `run-${outcomes.length + 1}`);
  let server = await startNflowServer(t, options);
  for (let round = 0; round < sizes.killsPerPoint; round++) {
    for (const point of points) {
      await killGateway(server, judge, async () => {
        server.killAt({ point, arrival: 1 + seeded.below(runsPerKill) });
        for (let i = 0; i < runsPerKill; i++) outcomes.push(start(server));
        await until(`the gateway to die ${point}`, () => server.hasKilledItself(), 30_000);
        for (let i = 0; i < lateRunsPerKill; i++) outcomes.push(start(server));
      });
    }
    await Promise.all(outcomes);
    await untilAllIsOver(server.dsn);
    // A supervisor waits longer before each restart: the next round has one that has seen no death yet.
    if (round + 1 < sizes.killsPerPoint) {
      await server.stop();
      server = await startNflowServer(t, { ...options, folder: server.folder });
    }
  }
  report(
    t,
    'gateway killed at named points',
    seeded.seed,
    await judge.assertHolds(server.dsn, await Promise.all(outcomes)),
  );
  await server.stop();
});
