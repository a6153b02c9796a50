import type { EffectDefinition } from '../definition.ts';
import { sleepTraits } from './arguments.ts';

/** `ctx.sleep`, and timers of more than a second. */
export const sleepDefinition = {
  traits: sleepTraits,
  node: null,
  member: { name: 'sleep', isPart: false, namesResourceBy: null },
} satisfies EffectDefinition;
