import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { signalProcess } from '../../src/store/embedded/process-identity.ts';
import { until } from '../support/condition.ts';
import { startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer } from '../support/target-server.ts';
import { type Outcome, post } from './client.ts';
import { CrashJudge } from './crash-judge.ts';
import { killGateway, untilAllIsOver } from './killed-gateway.ts';
import { orderWorkflow } from './order-workflow.ts';
import { report } from './report.ts';
import { seededFrom } from './seed.ts';
import { faultTestTimeoutMs, sizes } from './sizes.ts';

/**
 * Requests and the kill are spread over these times, so that either may come first. Half of the kills count from when the gateway is
 * ready, which is when it takes over what its predecessor left; the others from its first effect, when it is in the middle of its work.
 */
const requestsWithinMs = 500;
const killWithinMs = 900;

test('a gateway that is killed at seeded moments loses nothing, ends nothing twice, and repeats no recorded effect', {
  timeout: faultTestTimeoutMs,
}, async (t) => {
  const seeded = seededFrom(t);
  const target = await startTargetServer();
  t.after(() => target.stop());
  const judge = new CrashJudge(target);
  const options = { workflows: { order: orderWorkflow(target.url) }, egressAllow: [`127.0.0.1:${target.port}`] };
  const outcomes: Promise<Outcome>[] = [];
  let server = await startNflowServer(t, options);
  for (let round = 0; round < sizes.rounds; round++) {
    for (let kill = 0; kill < sizes.killsPerRound; kill++) {
      const { address } = server;
      for (let i = 0; i < sizes.runsPerKill; i++) {
        const run = `run-${outcomes.length + 1}`;
        // Those that come when the gateway is dead wait in the listening socket for the next one.
        outcomes.push(delay(seeded.below(requestsWithinMs)).then(() => post(address, 'order', run)));
      }
      await killGateway(server, judge, async (pid) => {
        const logged = target.log().length;
        if (seeded.below(2) === 1) await until('an effect', () => target.log().length > logged, 30_000);
        await delay(seeded.below(killWithinMs));
        signalProcess(pid, 'SIGKILL');
      });
    }
    await Promise.all(outcomes);
    await untilAllIsOver(server.dsn);
    // A supervisor waits longer before each restart: the next round has one that has seen no death yet.
    if (round + 1 < sizes.rounds) {
      await server.stop();
      server = await startNflowServer(t, { ...options, folder: server.folder });
    }
  }
  report(
    t,
    'gateway killed at seeded moments',
    seeded.seed,
    await judge.assertHolds(server.dsn, await Promise.all(outcomes)),
  );
  await server.stop();
});
