import { Argument, type Command } from 'commander';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print what a shell needs to complete commands, options and names of workflows')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  bash   nflow completion bash > ~/.local/share/bash-completion/completions/nflow',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is zsh's.
        '  zsh    nflow completion zsh > "${fpath[1]}/_nflow"',
        '  fish   nflow completion fish > ~/.config/fish/completions/nflow.fish',
      ].join('\n'),
    )
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./completion-script.ts');
      process.stdout.write(completionScript(program, shell));
    });
}
