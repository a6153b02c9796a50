import type { EffectTraits } from '../../protocol/effect-traits.ts';

/** What it may reach is decided by `[egress]`. */
export const httpTraits: EffectTraits = { kind: 'http', resource: null, isCacheable: true, isConfined: false };
