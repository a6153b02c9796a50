/** The layers between the code of workflows and this machine, as a runner that is started for it has them. */
import type { Config } from '../../config/config.ts';
import { isolationLayerTexts } from '../../config/isolation-layers.ts';
import { createDispatcher } from '../../dispatch/dispatcher.ts';
import { chooseIsolation, layerStates } from '../../dispatch/isolation/choose-plan.ts';
import type { LayerState } from '../../dispatch/isolation/plan.ts';
import { createGuestLimits } from '../../protocol/guest-limits.ts';
import { type Check, check } from './check.ts';

export async function checkIsolation(config: Config): Promise<Check[]> {
  const isolation = await chooseIsolation(config.runners.omit);
  const checks = layerStates(isolation.plan).map((state) => checkLayer(state, config.runners.require));
  const beganMs = performance.now();
  try {
    const dispatcher = await createDispatcher({
      vmPool: { ...config.vmPool, maxSize: 1, preloadSize: 1 },
      fastRunners: 1,
      limits: createGuestLimits(config.server.jsonDepthMax),
      isolation: Promise.resolve(isolation),
      log: { warn: () => {} },
    });
    const tookMs = Math.round(performance.now() - beganMs);
    await dispatcher.close();
    checks.push(
      check('isolation', 'a runner', 'ok', `started with these layers, and seen to have them, in ${tookMs} ms`),
    );
  } catch (error) {
    checks.push(check('isolation', 'a runner', 'failed', (error as Error).message));
  }
  return checks;
}

function checkLayer({ layer, on, why }: LayerState, required: readonly string[]): Check {
  if (on) return check('isolation', layer, 'ok', `${isolationLayerTexts[layer]} (${why})`);
  const isRequired = required.includes(layer);
  return check(
    'isolation',
    layer,
    isRequired ? 'failed' : 'off',
    why,
    isRequired
      ? 'It is in [runners] require: the server refuses to start without it.'
      : `It would be: ${isolationLayerTexts[layer]}.`,
  );
}
