import { existsSync } from 'node:fs';

/** What `--config` defaults to, where it exists. */
const usualFile = 'config.toml';

/** The file to load: the one that was named, or `./config.toml` when there is one. */
export function chooseConfigFile(named: string | undefined): string | undefined {
  return named ?? (existsSync(usualFile) ? usualFile : undefined);
}
