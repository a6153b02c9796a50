import type { Command } from 'commander';

export interface StartOptions {
  config?: string;
  port?: string;
  workflows?: string[];
  data: string;
}

export function addStartCommand(program: Command): void {
  addRunningOptions(program.command('start'))
    .description('run a server: gateway, runners and, unless a DSN is configured, an embedded PostgreSQL')
    .action(async (options: StartOptions) => {
      const { useCompiledCode } = await import('../supervisor/compiled-code.ts');
      useCompiledCode(options.data);
      const { start } = await import('./server-process.ts');
      await start(options);
    });
}

/** Options of the commands that run a server. */
export function addRunningOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file (default: ./config.toml when it exists)')
    .option('-p, --port <port>', 'port to listen on, over [server] port')
    .option(
      '-w, --workflows <path...>',
      'folders or files of workflows to publish (default: ./workflows when it exists)',
    )
    .option('-d, --data <folder>', 'data folder, made when it is missing', '.nflow');
}
