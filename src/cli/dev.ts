import type { Command } from 'commander';
import { addRunningOptions, type StartOptions } from './start.ts';

export function addDevCommand(program: Command): void {
  addRunningOptions(program.command('dev'))
    .description('`start` for authors: publishes workflow files again when they are saved, and prints every execution')
    .action(async (options: StartOptions) => {
      const { useCompiledCode } = await import('../supervisor/compiled-code.ts');
      useCompiledCode(options.data);
      const { start } = await import('./server-process.ts');
      await start(options, 'dev');
    });
}
