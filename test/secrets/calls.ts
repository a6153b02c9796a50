/** The http effect with secrets, as a server has it. */

import { secretFields } from '../../src/effects/definitions.ts';
import type { EffectContext, EffectKind } from '../../src/effects/port.ts';
import { withSecrets } from '../../src/effects/with-secrets.ts';
import { createRandomSource } from '../../src/guest/random.ts';
import { tokenScopeOf } from '../../src/protocol/secret-placeholder.ts';
import type { Secret, SecretSource } from '../../src/secrets/port.ts';
import { contextOf, type HttpEffectOptions, httpEffect } from '../effects/calls.ts';

export const seed = '00112233445566778899aabbccddeeff';

/** What a VM of an execution with that seed has for the secret. */
export function placeholderOf(name: string, ofSeed = seed): string {
  const random = createRandomSource(ofSeed, tokenScopeOf(name));
  const words = [random.word(), random.word(), random.word(), random.word()];
  return `nflow-secret.${name}.${words.map((word) => word.toString(16).padStart(8, '0')).join('')}`;
}

export function sourceOf(secrets: Secret[]): SecretSource {
  return {
    find: (name) => secrets.find((secret) => secret.name === name) ?? null,
    grantedTo: () => secrets,
    revision: 0,
  };
}

export function boundTo(name: string, value: string, ...hosts: string[]): Secret {
  return { name, value, binding: { hosts, effects: [], workflows: ['orders'] } };
}

export function httpWithSecrets(secrets: Secret[], options: HttpEffectOptions = {}): EffectKind & Disposable {
  const effect = httpEffect(options);
  const wrapped = withSecrets(effect, secretFields.get('http') ?? [], sourceOf(secrets));
  return Object.assign(wrapped, { [Symbol.dispose]: () => effect.close() });
}

export function claiming(declared: string[] | null, workflow = 'orders'): EffectContext {
  return { ...contextOf(), workflow, secrets: { seed, declared } };
}
