import type { Command } from 'commander';
import { addServerOptions, type ServerOptions } from './server-options.ts';

export interface ApplyOptions extends ServerOptions {
  prune?: true;
  origin?: string;
  dryRun?: true;
  json?: true;
}

export function addApplyCommand(program: Command): void {
  addServerOptions(program.command('apply'))
    .description('publish workflow files to a running server as new versions; unchanged ones are left alone')
    .argument('<path...>', 'workflow files, folders of them')
    .option('--prune', 'take back what was published from the same paths and is no longer there')
    .option(
      '--origin <label>',
      'what the paths are called on the server, for --prune from more than one machine (default: this machine and the paths)',
    )
    .option('--dry-run', 'tell what would be done, and do nothing')
    .option('--json', 'print JSON')
    .action(async (paths: string[], options: ApplyOptions) => {
      const { applyFiles } = await import('./apply-files.ts');
      await applyFiles(paths, options);
    });
}
