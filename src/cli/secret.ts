import type { Command } from 'commander';
import { addServerOptions, type ServerOptions, serverApiOf } from './server-options.ts';

interface SecretOptions extends ServerOptions {
  json?: true;
}

interface BindingOptions extends SecretOptions {
  host?: string[];
  effect?: string[];
  workflow?: string[];
}

const collect = (text: string, before: string[] = []): string[] => [...before, text];

/** Secrets of a running server. A value is read from stdin or typed, never an argument: other users see those. */
export function addSecretCommands(program: Command): void {
  const secret = program
    .command('secret')
    .description('set and list secrets of a running server; values are never shown');
  addServerOptions(secret.command('set'))
    .description('set a secret: its value comes from stdin, or is asked for')
    .argument('<name>', 'name: letters, digits and _')
    .option(
      '--host <host>',
      'host that http may send it to, such as api.example.com or 10.0.0.5:8080; may be repeated',
      collect,
    )
    .option('--effect <kind>', 'other effect that may be given it, such as crypto; may be repeated', collect)
    .option('--workflow <pattern>', "workflow that may use it, such as 'orders-*'; may be repeated", collect)
    .option('--json', 'print JSON')
    .action(async (name: string, options: BindingOptions) => {
      const { setSecret } = await import('./secret-change.ts');
      const { host: hosts = [], effect: effects = [], workflow: workflows = [] } = options;
      await setSecret(serverApiOf(options), name, { hosts, effects, workflows }, options.json === true);
    });
  addServerOptions(secret.command('list'))
    .description('list secrets: where they may go, and who may use them')
    .option('--json', 'print JSON')
    .action(async (options: SecretOptions) => {
      const { listSecrets } = await import('./secret-change.ts');
      await listSecrets(serverApiOf(options), options.json === true);
    });
  addServerOptions(secret.command('delete'))
    .description('delete a secret; workflows that use it fail from now on')
    .argument('<name>', 'name of the secret')
    .option('--json', 'print JSON')
    .action(async (name: string, options: SecretOptions) => {
      const { deleteSecret } = await import('./secret-change.ts');
      await deleteSecret(serverApiOf(options), name, options.json === true);
    });
  addServerOptions(secret.command('rotate-key'))
    .description('encrypt every secret with a new key, or with the one that is configured now')
    .option('--json', 'print JSON')
    .action(async (options: SecretOptions) => {
      const { rotateKey } = await import('./secret-change.ts');
      await rotateKey(serverApiOf(options), options.json === true);
    });
}
