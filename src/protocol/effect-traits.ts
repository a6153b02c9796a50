import type { ResourceArgument } from './resources.ts';

/** What compiler and gateway both have to know of an effect: said once, in the effect's `arguments.ts`. */
export interface EffectTraits {
  /** What journal, history and metrics call it. */
  kind: string;
  /** Which argument names a resource that workflows are granted; null when it uses none. */
  resource: ResourceArgument | null;
  /** Whether a node may ask for its results to be kept in the cache. */
  isCacheable: boolean;
  /** It reaches nothing outside of the gateway, so that no workflow needs a grant for it. */
  isConfined: boolean;
}
