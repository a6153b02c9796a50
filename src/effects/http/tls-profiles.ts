import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { allowsAddress } from '../../config/bound-hosts.ts';
import type { Config, TlsConfig } from '../../config/config.ts';
import { isGranted } from '../../config/grants.ts';
import { NflowError } from '../../errors.ts';
import { HttpFailure } from './failure.ts';

/** `[tls.NAME]`, read and ready: how a call with `tls: "NAME"` speaks TLS. */
export interface TlsProfile {
  name: string;
  config: TlsConfig;
  /** PEM texts; undefined: Node's own. */
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
}

/** Throws NflowError `invalid_config` for files that cannot be read and for what is no certificate or key. */
export function readTlsProfiles(configs: Config['tls']): ReadonlyMap<string, TlsProfile> {
  return new Map(
    Object.entries(configs).map(([name, config]) => {
      const ca = readPem(name, 'ca', config.ca);
      const cert = readPem(name, 'cert', config.cert);
      const key = readPem(name, 'key', config.key);
      assertUsable(name, { ca, cert, key });
      return [name, { name, config, ca, cert, key }];
    }),
  );
}

/** The profile that a call names. Throws HttpFailure `tls` when the workflow or the address may not use it. */
export function tlsProfileFor(
  profiles: ReadonlyMap<string, TlsProfile>,
  name: string,
  workflow: string,
  url: URL,
): TlsProfile {
  const profile = profiles.get(name);
  if (profile === undefined || !isGranted(profile.config.workflows, workflow)) {
    throw new HttpFailure(
      'tls',
      `${workflow} is not granted [tls.${name}], or it is not configured. Name the workflow in its "workflows". Nothing was sent`,
    );
  }
  if (!allowsAddress(profile.config.hosts, url)) {
    throw new HttpFailure(
      'tls',
      `[tls.${name}] is not for this address: its "hosts" are ${profile.config.hosts.join(', ') || 'none'}. Nothing was sent there`,
    );
  }
  return profile;
}

/** The text itself, or that of the file that it names. */
function readPem(name: string, key: string, value: string | null): string | undefined {
  if (value === null) return undefined;
  if (value.includes('-----BEGIN ')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (cause) {
    throw new NflowError('invalid_config', `[tls.${name}] ${key} cannot be read.`, {
      got: `${value} (${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
      expected: 'PEM text, or the path of a PEM file',
      remedy: 'Correct the path, or let the user who starts nFlow read the file.',
      cause,
    });
  }
}

function assertUsable(name: string, given: { ca?: string; cert?: string; key?: string }): void {
  try {
    createSecureContext(given);
  } catch (cause) {
    throw new NflowError('invalid_config', `[tls.${name}] has something that is no certificate or no key of it.`, {
      got: cause instanceof Error ? cause.message : String(cause),
      expected: 'certificates and a key without a passphrase, in PEM',
      remedy: 'Check each with `openssl x509 -in FILE -noout -subject` and `openssl pkey -in FILE -noout`.',
      cause,
    });
  }
}
