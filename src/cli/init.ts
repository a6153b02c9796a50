import type { Command } from 'commander';

export function addInitCommand(program: Command): void {
  program
    .command('init')
    .description(
      'make a project: workflows, a test, package.json, tsconfig.json, config.toml; files that are there are left alone',
    )
    .argument('[folder]', 'where; made when it is missing', '.')
    .action(async (folder: string) => {
      const { initFolder } = await import('./init-folder.ts');
      initFolder(folder);
    });
}
