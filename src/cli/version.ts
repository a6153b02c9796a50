import { readFileSync } from 'node:fs';

/** The package's version. Read, not imported: the manifest lies outside of what is compiled, both from src/ and from dist/. */
export function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
