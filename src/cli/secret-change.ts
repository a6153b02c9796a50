import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import type { ServerApi } from './server-api.ts';
import { colors, formatTable, writeJson, writeLine } from './terminal.ts';
import { readTyped } from './typed-value.ts';

interface Binding {
  hosts: string[];
  effects: string[];
  workflows: string[];
}

interface ShownSecret extends Binding {
  name: string;
  isReadable: boolean;
  updatedAt: string;
}

export async function setSecret(api: ServerApi, name: string, binding: Binding, asJson: boolean): Promise<void> {
  const value = process.stdin.isTTY === true ? await readTyped(`Value of ${name} (not shown): `) : await readStdin();
  if (value === '') {
    throw new CommandFailure('usage', 'The value of the secret is empty.', exitCode.usage, {
      expected: 'the value on stdin, or typed',
      remedy: `Pass it without it being seen: nflow secret set ${name} … < FILE`,
    });
  }
  const set = (await api.put(`/secrets/${encodeURIComponent(name)}`, { value, ...binding })) as ShownSecret;
  if (asJson) writeJson(set);
  else {
    writeLine(`${colors.green('✔')} ${name} ${colors.dim(`may go to ${placesOf(set)}`)}`);
    if (set.workflows.length === 0) writeLine(colors.dim('No workflow may use it yet: name some with --workflow.'));
  }
}

export async function listSecrets(api: ServerApi, asJson: boolean): Promise<void> {
  const { items } = (await api.get('/secrets')) as { items: ShownSecret[] };
  if (asJson) {
    writeJson({ items });
    return;
  }
  if (items.length === 0) {
    writeLine(colors.dim('There are no secrets. Set one with `nflow secret set NAME --host HOST --workflow PATTERN`.'));
    return;
  }
  const columns = [
    { title: 'NAME' },
    { title: 'MAY GO TO', canShrink: true },
    { title: 'WORKFLOWS', canShrink: true },
    { title: 'SET' },
  ];
  const rows = items.map((secret) => [
    secret.isReadable ? secret.name : `${secret.name} ${colors.red('(unreadable)')}`,
    placesOf(secret),
    secret.workflows.join(', ') || 'none',
    secret.updatedAt,
  ]);
  writeLine(formatTable(columns, rows));
}

export async function deleteSecret(api: ServerApi, name: string, asJson: boolean): Promise<void> {
  await api.delete(`/secrets/${encodeURIComponent(name)}`);
  if (asJson) writeJson({ name, state: 'deleted' });
  else writeLine(`${colors.green('✔')} ${name} ${colors.dim('is deleted')}`);
}

export async function rotateKey(api: ServerApi, asJson: boolean): Promise<void> {
  const rotated = (await api.post('/secrets/rotate-key')) as { keyId: string; secrets: number };
  if (asJson) writeJson(rotated);
  else writeLine(`${colors.green('✔')} ${rotated.secrets} secrets are encrypted with key ${rotated.keyId}`);
}

function placesOf({ hosts, effects }: Binding): string {
  return [...hosts, ...effects.map((kind) => `effect ${kind}`)].join(', ');
}

/** One line end at the end is of the file or of `echo`, not of the value. */
async function readStdin(): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  return Buffer.concat(pieces)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
