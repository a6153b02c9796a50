import { parse } from 'smol-toml';
import type { ConfigKey } from './key-kinds.ts';
import { environmentName, placedKeys, varsSection } from './keys.ts';
import type { LoadedConfig } from './load.ts';
import { namedValues } from './named-sections.ts';

export interface ShownValue {
  /** `section.key`. */
  key: string;
  /** As it would be written in TOML; a secret is `"(hidden)"`. */
  value: string;
  /** `default`, `config.toml:12`, `NFLOW_SERVER__PORT` or `--port`. */
  origin: string;
  /** The variable that sets it. */
  environment: string;
}

/** Every effective value with where it came from, for `nflow config show`. Secrets are never in it. */
export function showConfig(loaded: LoadedConfig): ShownValue[] {
  const shown = placedKeys.map(({ id, section, field, key }): ShownValue => {
    const value = (loaded.config[section] as Record<string, unknown>)[field];
    return describe(loaded, id, shownValue(key, value), environmentName(id));
  });
  for (const { id, key, value } of namedValues(loaded.config)) {
    shown.push(describe(loaded, id, shownValue(key, value), environmentName(id)));
  }
  for (const [name, value] of Object.entries(loaded.config.vars)) {
    const id = `${varsSection.name}.${name}`;
    shown.push(describe(loaded, id, JSON.stringify(value), `${environmentName(`${varsSection.name}.`)}${name}`));
  }
  return shown;
}

function shownValue(key: ConfigKey<unknown>, value: unknown): string {
  return key.secret && value !== null && value !== '' ? '"(hidden)"' : key.write(value);
}

function describe(loaded: LoadedConfig, key: string, value: string, environment: string): ShownValue {
  return { key, value, origin: loaded.origins.get(key) ?? 'default', environment };
}

/** The same for programs: each value as TOML reads it, a text, a number, a boolean or a list. */
export function showConfigAsJson(loaded: LoadedConfig): Record<string, unknown>[] {
  return showConfig(loaded).map((shown) => ({ ...shown, value: parse(`value = ${shown.value}`).value }));
}
