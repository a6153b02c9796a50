/** Small numbers that stand for words in the tables. They are stored: never renumber one. */
import type { Durability, ExecutionStatus, TriggerKind } from './port.ts';

/** Below `firstEnded` an execution is not over: the partial index and every ownership query rely on it. */
export const statusCodes: Record<ExecutionStatus, number> = {
  running: 0,
  waiting: 1,
  succeeded: 2,
  failed: 3,
  timed_out: 4,
  cancelled: 5,
  crashed: 6,
};
export const firstEnded = 2;

export const durabilityCodes: Record<Durability, number> = { durable: 0, recorded: 1, ephemeral: 2 };

export const triggerCodes: Record<TriggerKind, number> = { http: 0, manual: 1 };

export const statusOf = inverse(statusCodes);
export const durabilityOf = inverse(durabilityCodes);
export const triggerOf = inverse(triggerCodes);

function inverse<Word extends string>(codes: Record<Word, number>): (code: number) => Word {
  const words = new Map<number, Word>();
  for (const word in codes) words.set(codes[word], word);
  return (code) => {
    const word = words.get(code);
    if (word === undefined) throw new RangeError(`code ${code} is none of ${[...words.keys()].join(', ')}`);
    return word;
  };
}
