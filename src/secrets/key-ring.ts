/** The keys that secrets are encrypted with: the configured ones, or those of a file in the data folder. */
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPrivateFile } from '../config/private-file.ts';
import { parseSecretKey } from '../config/secret-key.ts';
import { NflowError } from '../errors.ts';
import { generateKey, type SecretKey, secretKeyOf } from './cipher.ts';

export interface KeyRing {
  /** What is encrypted now, is with this one. */
  readonly current: SecretKey;
  find(keyId: string): SecretKey | null;
  /** Makes a new current key beside the others. Configured ones stay as they are: the operator has changed them before. */
  begin(): void;
  /** Forgets all but the current one: nothing is encrypted with the others any more. */
  finish(): void;
}

export interface SecretKeySettings {
  /** As in the configuration; null: the file. */
  key: string | null;
  /** Opens what was encrypted before `key` was changed. */
  previousKey: string | null;
}

export function secretKeyPath(dataDir: string): string {
  return join(dataDir, 'secrets.key');
}

/** Throws NflowError `invalid_config` for a key file that others can read, or that holds no keys. */
export function openKeyRing(settings: SecretKeySettings, dataDir: string): KeyRing {
  return settings.key === null ? new KeyFile(secretKeyPath(dataDir)) : configuredKeys(settings);
}

function configuredKeys({ key, previousKey }: SecretKeySettings): KeyRing {
  const keys = [key, previousKey].flatMap((text) => {
    const bytes = text === null ? null : parseSecretKey(text);
    return bytes === null ? [] : [secretKeyOf(bytes)];
  });
  return {
    current: keys[0] as SecretKey,
    find: (keyId) => keys.find(({ id }) => id === keyId) ?? null,
    begin() {},
    finish() {},
  };
}

const fileHead =
  '# Keys of the secrets of this nFlow, the current one first. Who has it and the database can read them.\n';

/** One key a line, the current one first. It is replaced as a whole, so that no crash leaves half of it. */
class KeyFile implements KeyRing {
  readonly #path: string;
  #keys: SecretKey[];

  constructor(path: string) {
    this.#path = path;
    this.#keys = readKeys(path) ?? createKeyFile(path);
  }

  get current(): SecretKey {
    return this.#keys[0] as SecretKey;
  }

  find(keyId: string): SecretKey | null {
    return this.#keys.find(({ id }) => id === keyId) ?? null;
  }

  begin(): void {
    this.#write([generateKey(), ...this.#keys]);
  }

  finish(): void {
    this.#write([this.current]);
  }

  #write(keys: SecretKey[]): void {
    const draft = writeDraft(this.#path, keys);
    renameSync(draft, this.#path);
    this.#keys = keys;
  }
}

function createKeyFile(path: string): SecretKey[] {
  const keys = [generateKey()];
  const draft = writeDraft(path, keys);
  try {
    // Whoever is faster wins: a file that is there is never replaced here.
    linkSync(draft, path);
    return keys;
  } catch (error) {
    const made = (error as NodeJS.ErrnoException).code === 'EEXIST' ? readKeys(path) : null;
    if (made === null) throw error;
    return made;
  } finally {
    rmSync(draft, { force: true });
  }
}

function writeDraft(path: string, keys: readonly SecretKey[]): string {
  const draft = `${path}.${process.pid}.draft`;
  rmSync(draft, { force: true });
  const fd = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(fd, fileHead + keys.map(({ bytes }) => `${bytes.toString('hex')}\n`).join(''));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return draft;
}

/** Null when there is no file. */
function readKeys(path: string): SecretKey[] | null {
  const remedy = `Run chmod 600 ${path}, then \`nflow secret rotate-key\`; if others may have read it, change the secrets themselves too.`;
  const text = readPrivateFile(path, 'the key of the secrets', remedy);
  if (text === null) return null;
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => parseSecretKey(line));
  if (keys.length > 0 && keys.every((key) => key !== null)) return keys.map((key) => secretKeyOf(key as Buffer));
  throw refused(path, 'The file with the key of the secrets does not hold one.', {
    got: `${lines.length} lines`,
    expected: 'a key of 64 hexadecimal digits a line',
    remedy:
      'Bring it back from a backup. Without it stored secrets cannot be read: remove the file, and set them again.',
  });
}

function refused(path: string, message: string, details: NflowError['details']): NflowError {
  return new NflowError('invalid_config', message, { file: path, ...details });
}
