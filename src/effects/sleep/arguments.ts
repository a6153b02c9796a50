import type { EffectTraits } from '../../protocol/effect-traits.ts';

export const sleepTraits: EffectTraits = { kind: 'sleep', resource: null, isCacheable: false, isConfined: true };
