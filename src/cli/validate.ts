import type { Command } from 'commander';

export function addValidateCommand(program: Command): void {
  program
    .command('validate')
    .description('check workflow files and configuration: what is wrong, where, and what is allowed')
    .argument('<path...>', 'workflow files, folders of them, configuration files (*.toml)')
    .option('--json', 'print JSON')
    .action(async (paths: string[], options: { json?: true }) => {
      const { validate } = await import('./validation.ts');
      await validate(paths, options.json === true);
    });
}
