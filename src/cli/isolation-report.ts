import { isolationLayerTexts } from '../config/isolation-layers.ts';
import type { LayerState } from '../dispatch/isolation/plan.ts';
import type { Log } from '../observe/log.ts';

/** One line for each layer that separates runners from this machine: what is missing is never silent. */
export function logIsolation(layers: readonly LayerState[], log: Log): void {
  for (const { layer, on, why } of layers) {
    if (on) log.debug({ layer }, `runners: ${layer} is on (${why})`);
    else log.warn({ layer }, `runners: ${layer} is off: ${why}. It would be: ${isolationLayerTexts[layer]}.`);
  }
  const on = layers.filter((state) => state.on).map(({ layer }) => layer);
  log.info({ layers: on }, `runners are isolated by: ${on.join(', ') || 'nothing but their process'}`);
}
