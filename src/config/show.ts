import { placedKeys, varsSection } from './keys.ts';
import type { LoadedConfig } from './load.ts';

export interface ShownValue {
  /** `section.key`. */
  key: string;
  /** As it would be written in TOML; secrets are hidden. */
  value: string;
  origin: string;
}

/** Every effective value with where it came from, for `nflow config show`. Secrets are never in it. */
export function showConfig(loaded: LoadedConfig): ShownValue[] {
  const shown = placedKeys.map(({ id, section, field, key }): ShownValue => {
    const value = (loaded.config[section] as Record<string, unknown>)[field];
    const isHidden = key.secret && value !== null;
    return { key: id, value: isHidden ? '"(hidden)"' : key.write(value), origin: loaded.origins.get(id) ?? 'default' };
  });
  for (const [name, value] of Object.entries(loaded.config.vars)) {
    const id = `${varsSection.name}.${name}`;
    shown.push({ key: id, value: JSON.stringify(value), origin: loaded.origins.get(id) ?? 'default' });
  }
  return shown;
}
