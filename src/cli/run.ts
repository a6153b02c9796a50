import type { Command } from 'commander';

export interface RunOptions {
  body?: string;
  input?: string;
  full?: true;
  workflows?: string[];
  config?: string;
}

export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('run one workflow to its end, without a server and a database; its effects are performed for real')
    .argument('<name-or-file>', 'a workflow file, or the name of a workflow in --workflows, ./workflows or ./examples')
    .option('-b, --body <json>', 'JSON for input.body; @file reads a file, - reads stdin')
    .option('-i, --input <json>', 'JSON for the whole input; @file reads a file, - reads stdin')
    .option('-f, --full', 'print status and headers too')
    .option('-w, --workflows <path...>', 'folders or files of workflows')
    .option('-c, --config <file>', 'configuration file (default: ./config.toml when it exists)')
    .action(async (nameOrFile: string, options: RunOptions) => {
      const { runOnce } = await import('./run-once.ts');
      await runOnce(nameOrFile, options);
    });
}
