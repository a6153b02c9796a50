import { secretNamePattern } from '../protocol/secret-placeholder.ts';
import { secretSizeMin } from './limits.ts';
import type { Secret, SecretSource } from './port.ts';

/**
 * The secrets of a run without a server (`config/environment-secrets.ts`). They are bound to nothing: who starts the run has them
 * anyway. One that is too short to be looked for is left out.
 */
export function unboundSecrets(values: ReadonlyMap<string, string>): SecretSource {
  const secrets = new Map<string, Secret>();
  for (const [name, value] of values) {
    if (secretNamePattern.test(name) && value.length >= secretSizeMin)
      secrets.set(name, { name, value, binding: null });
  }
  const all = [...secrets.values()];
  return { find: (name) => secrets.get(name) ?? null, grantedTo: () => all, revision: 0 };
}
