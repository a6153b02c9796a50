/** The workflows that the model runs: what a program issues depends on nothing but the results it was given, in their order. */

/** One result of the effect `seq`; performing it again gives another `value`. */
export interface Result {
  seq: number;
  value: number;
}

/** `park` is a wait that gives the execution back to the store. */
export type EffectKind = 'safe' | 'unsafe' | 'park';

export interface IssuedEffect {
  seq: number;
  kind: EffectKind;
  /** Number of results that had been delivered when it was issued: it may depend on those, and on no others. */
  after: number;
  /** Sequence number and arguments. Arguments name the results they depend on. It is the idempotency key too. */
  key: string;
}

export interface Program {
  name: string;
  /** Every effect that the program has issued after these results. */
  issued(results: readonly Result[]): IssuedEffect[];
  /** Whether the program has returned. Effects may still be open: it did not await them. */
  isOver(results: readonly Result[]): boolean;
}

/** What the program returns: the whole story, so that two stories never look the same. */
export function outputOf(results: readonly Result[]): string {
  return results.map(({ seq, value }) => `${seq}=${value}`).join(' ');
}

/** One effect after the other; each depends on all results before it. */
function sequence(name: string, kinds: readonly EffectKind[]): Program {
  return {
    name,
    issued: (results) =>
      kinds.slice(0, results.length + 1).map((kind, index) => ({
        seq: index + 1,
        kind,
        after: index,
        key: `${kind}${index + 1}(${outputOf(results.slice(0, index))})`,
      })),
    isOver: (results) => results.length >= kinds.length,
  };
}

export const effectFree = sequence('effect-free', []);
export const safeOnly = sequence('safe only', ['safe', 'safe']);
export const safeThenUnsafe = sequence('safe, unsafe, unsafe', ['safe', 'unsafe', 'unsafe']);
export const parked = sequence('unsafe, park, unsafe', ['unsafe', 'park', 'unsafe']);

/**
 * Two effects at once; the first result that arrives decides what is done next, and the other is not waited for:
 *
 *   const first = await Promise.race([get(1), post(2)]); await post(3, first); return;
 */
export const race: Program = {
  name: 'race',
  issued(results) {
    const issued: IssuedEffect[] = [
      { seq: 1, kind: 'safe', after: 0, key: 'safe1()' },
      { seq: 2, kind: 'unsafe', after: 0, key: 'unsafe2()' },
    ];
    const first = results[0];
    if (first !== undefined) issued.push({ seq: 3, kind: 'unsafe', after: 1, key: `unsafe3(${outputOf([first])})` });
    return issued;
  },
  isOver: (results) => results.some(({ seq }) => seq === 3),
};
