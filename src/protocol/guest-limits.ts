import type { GuestLimits } from './program.ts';

/**
 * What a run may produce. Fixed in this version, but for the depth of JSON. Texts are bounded in UTF-16 code units, of which a
 * frame holds many more.
 */
export function createGuestLimits(jsonDepthMax: number): GuestLimits {
  return {
    outputSizeMax: 6 * 1024 * 1024,
    // As large as an output: what a step returns may be sent on.
    effectArgumentsSizeMax: 6 * 1024 * 1024,
    effectsPerRunMax: 10_000,
    parallelEffectsMax: 100,
    timersPerRunMax: 10_000,
    parallelTimersMax: 1_000,
    logsPerRunSizeMax: 1024 * 1024,
    jsonDepthMax,
  };
}
