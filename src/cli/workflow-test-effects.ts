import { EffectFailure, resultOf } from '../effects/effect-failure.ts';
import type { EffectKind, Effects } from '../effects/port.ts';

/** Asks the test for what an effect gives; rejects with what its stub threw. */
export type AskForEffect = (kind: string, call: unknown) => Promise<unknown>;

/** It stands still but for sleeps, which take no time. */
export class TestClock {
  nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }
}

/** They compute, and reach nothing outside of the process: without a stub they are performed. */
const harmlessKinds: ReadonlySet<string> = new Set(['crypto', 'cache']);

/** The effects of a test: its stubs, what is harmless, and a clear failure for everything else. */
export function stubbedEffects(
  effects: Effects,
  kinds: ReadonlySet<string>,
  clock: TestClock,
  ask: AskForEffect,
): Effects {
  return {
    get(kind) {
      const effect = effects.get(kind);
      if (effect === undefined || (harmlessKinds.has(kind) && !kinds.has(kind))) return effect;
      return stubbed(effect, kinds.has(kind), clock, ask);
    },
    // A test grants everything: what is granted belongs to the server.
    isGranted: () => true,
    ...(effects.cache === undefined ? {} : { cache: effects.cache }),
    close: async () => {},
  };
}

function stubbed(effect: EffectKind, hasStub: boolean, clock: TestClock, ask: AskForEffect): EffectKind {
  const { kind } = effect;
  return {
    ...effect,
    perform: (call) => {
      const tried = `effect ${kind}`;
      if (hasStub) return resultOf(tried, async () => resultFor(kind, await asked(kind, call.argumentsJson, ask)));
      if (kind === 'sleep') {
        clock.nowMs += (JSON.parse(call.argumentsJson) as { ms: number }).ms;
        return Promise.resolve({ ok: true, json: 'null' });
      }
      const described = effect.describe(call.argumentsJson);
      return resultOf(tried, () => {
        const message = `the test has no stub for it: give runWorkflow effects: { ${kind}: (call) => … }. The call was ${described}`;
        throw new EffectFailure('no_stub', message);
      });
    },
  };
}

async function asked(kind: string, argumentsJson: string, ask: AskForEffect): Promise<unknown> {
  try {
    return await ask(kind, callFor(kind, argumentsJson));
  } catch (error) {
    throw new EffectFailure('stub_failed', error instanceof Error ? error.message : String(error));
  }
}

/** The call as a stub is given it. */
function callFor(kind: string, argumentsJson: string): unknown {
  const given = JSON.parse(argumentsJson) as Record<string, unknown>;
  if (kind !== 'http') return given;
  const { bodyKind, body, ...call } = given;
  return {
    ...call,
    body: bodyKind === 'json' && typeof body === 'string' ? (JSON.parse(body) as unknown) : (body ?? null),
  };
}

/** What a stub gives, as the VM is given it. */
function resultFor(kind: string, value: unknown): unknown {
  if (kind !== 'http') return value;
  const { status = 200, headers = {}, body } = (value ?? {}) as { status?: number; headers?: object; body?: unknown };
  if (body === undefined || body === null) return { status, headers, bodyKind: 'none', bodyText: '' };
  const isText = typeof body === 'string';
  return { status, headers, bodyKind: isText ? 'text' : 'json', bodyText: isText ? body : JSON.stringify(body) };
}
