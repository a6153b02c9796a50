import { isGranted } from '../config/grants.ts';
import { NflowError } from '../errors.ts';
import { secretNameExpected, secretNamePattern } from '../protocol/secret-placeholder.ts';
import type { SecretRow, SecretStore } from '../store/port.ts';
import { seal, unseal } from './cipher.ts';
import type { KeyRing } from './key-ring.ts';
import { secretSizeMax, secretSizeMin, secretsMax } from './limits.ts';
import type { Secret, SecretAdministration, SecretBinding, SecretSource, SecretSummary } from './port.ts';

/** How soon this server knows what another one has changed. */
const refreshIntervalMs = 5_000;

interface VaultLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface VaultOptions {
  store: SecretStore;
  keys: KeyRing;
  log: VaultLog;
}

/**
 * The secrets of a server. The database holds them encrypted; here they are in memory as they are, since effects need them at once.
 * Every change goes to the database first; what other servers change is looked for every few seconds.
 */
export class SecretVault implements SecretSource, SecretAdministration {
  readonly #store: SecretStore;
  readonly #keys: KeyRing;
  readonly #log: VaultLog;
  #rows: SecretRow[] = [];
  #secrets = new Map<string, Secret>();
  #storeRevision = '';
  #timer: NodeJS.Timeout | null = null;
  revision = 0;

  private constructor({ store, keys, log }: VaultOptions) {
    this.#store = store;
    this.#keys = keys;
    this.#log = log;
  }

  static async open(options: VaultOptions): Promise<SecretVault> {
    const vault = new SecretVault(options);
    await vault.refresh();
    vault.#timer = setInterval(() => {
      // The database is away: it is tried again, and effects go on with what is known.
      vault.refresh().catch(() => {});
    }, refreshIntervalMs).unref();
    return vault;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  find(name: string): Secret | null {
    return this.#secrets.get(name) ?? null;
  }

  grantedTo(workflow: string): readonly Secret[] {
    return [...this.#secrets.values()].filter(({ binding }) => isGranted(binding?.workflows ?? [], workflow));
  }

  /** Patterns of workflows by the secret's name, for checks of what a workflow uses. */
  grants(): Record<string, readonly string[]> {
    return Object.fromEntries(this.#rows.map(({ name, workflows }) => [name, workflows]));
  }

  async list(): Promise<SecretSummary[]> {
    await this.refresh();
    return this.#rows.map((row) => this.#summaryOf(row));
  }

  async set(name: string, value: unknown, binding: SecretBinding): Promise<SecretSummary> {
    if (!secretNamePattern.test(name))
      throw invalid('/name', `a name of ${name.length} characters`, secretNameExpected);
    if (
      typeof value !== 'string' ||
      value.length < secretSizeMin ||
      value.length > secretSizeMax ||
      value.includes('\0')
    ) {
      const expected = `a text of ${secretSizeMin} to ${secretSizeMax} characters, none of them U+0000`;
      throw invalid('/value', typeof value === 'string' ? `${value.length} characters` : `a ${typeof value}`, expected);
    }
    if (binding.hosts.length + binding.effects.length === 0) {
      throw invalid('/hosts', 'neither hosts nor effects', 'at least one host or effect that the secret may go to');
    }
    await this.refresh();
    if (!this.#rows.some((row) => row.name === name) && this.#rows.length >= secretsMax) {
      throw invalid('/name', `secret number ${secretsMax + 1}`, `at most ${secretsMax} secrets`);
    }
    await this.#store.put({ name, ...seal(name, value, this.#keys.current), ...binding });
    this.#log.info({ name }, 'a secret was set');
    await this.refresh();
    return this.#summaryOf(this.#rows.find((row) => row.name === name) as SecretRow);
  }

  async delete(name: string): Promise<void> {
    const wasThere = await this.#store.delete(name);
    if (!wasThere) {
      throw new NflowError('not_found', 'There is no secret with this name.', {
        got: name.slice(0, 80),
        remedy: 'See `nflow secret list`.',
      });
    }
    this.#log.info({ name }, 'a secret was deleted');
    await this.refresh();
  }

  async rotateKey(): Promise<{ keyId: string; secrets: number }> {
    await this.refresh();
    const lost = this.#rows.filter(({ keyId }) => this.#keys.find(keyId) === null).map(({ name }) => name);
    if (lost.length > 0) {
      throw new NflowError('conflict', 'Some secrets cannot be read with the keys that are here.', {
        got: lost.join(', ').slice(0, 500),
        expected: 'the key that they were encrypted with, as [secrets] previous_key or in secrets.key',
        remedy: 'Bring the key back, or set or delete these secrets first.',
      });
    }
    this.#keys.begin();
    const { current } = this.#keys;
    const secrets = await this.#store.replaceAll((row) => {
      const key = this.#keys.find(row.keyId);
      return key === null ? null : seal(row.name, unseal(row.name, row, key), current);
    });
    this.#keys.finish();
    this.#log.info({ keyId: current.id, secrets }, 'the secrets are encrypted with another key');
    await this.refresh();
    return { keyId: current.id, secrets };
  }

  /** Reads what has changed in the database. */
  async refresh(): Promise<void> {
    const storeRevision = await this.#store.revision();
    if (storeRevision === this.#storeRevision) return;
    const rows = await this.#store.list();
    const secrets = new Map<string, Secret>();
    for (const row of rows) {
      const value = this.#open(row);
      const { name, hosts, effects, workflows } = row;
      if (value !== null) secrets.set(name, { name, value, binding: { hosts, effects, workflows } });
    }
    this.#rows = rows;
    this.#secrets = secrets;
    this.#storeRevision = storeRevision;
    this.revision++;
  }

  #open(row: SecretRow): string | null {
    const key = this.#keys.find(row.keyId);
    try {
      if (key !== null) return unseal(row.name, row, key);
    } catch {
      // Another name, or other bytes than were written: the same to who wants to use it.
    }
    this.#log.error(
      { name: row.name, keyId: row.keyId },
      'a secret cannot be read: its key is not here ([secrets] key, previous_key or secrets.key), or its row was changed',
    );
    return null;
  }

  #summaryOf({ name, hosts, effects, workflows, keyId, createdAt, updatedAt }: SecretRow): SecretSummary {
    return { name, hosts, effects, workflows, isReadable: this.#secrets.has(name), keyId, createdAt, updatedAt };
  }
}

function invalid(pointer: string, got: string, expected: string): NflowError {
  return new NflowError('invalid_input', 'The secret cannot be kept.', { pointer, got, expected });
}
