import { setTimeout as delay } from 'node:timers/promises';
import { AbuseClient } from './client.ts';
import type { AbuseForm } from './forms.ts';

export interface Played {
  /** What came of it → how often. */
  outcomes: Map<string, number>;
  seconds: number;
}

const retryAfterMs = 1_000;
const retriesMax = 20;

async function once(form: AbuseForm, port: number, n: number): Promise<string> {
  const client = await AbuseClient.connect(port, n);
  if (client === null) return 'no connection';
  const outcome = await form.play(client, n).catch((error) => String(error));
  client.close();
  return outcome;
}

/** Plays a form `count` times, at most `atOnce` of them at one time. */
export async function play(form: AbuseForm, port: number, count: number, atOnce: number): Promise<Played> {
  const outcomes = new Map<string, number>();
  const startMs = performance.now();
  let next = 0;
  const one = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      let outcome = await once(form, port, n);
      // The machine is busy with other things: again, as `Retry-After` says.
      for (let again = 0; again < retriesMax && outcome.includes('503 pool_exhausted'); again++) {
        await delay(retryAfterMs);
        outcome = await once(form, port, n);
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, one));
  return { outcomes, seconds: (performance.now() - startMs) / 1000 };
}

/** What came of a form and may not: empty when all is well. */
export function unexpected({ outcomes }: Played, form: AbuseForm): string[] {
  return [...outcomes]
    .filter(([outcome]) => !form.allowed.includes(outcome))
    .map(([outcome, times]) => `${times} times: ${outcome}`);
}
