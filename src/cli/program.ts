import { Command } from 'commander';

import { addApplyCommand } from './apply.ts';
import { addBenchCommand } from './bench.ts';
import { addCompletionCommand } from './completion.ts';
import { addConfigCommand } from './config.ts';
import { addDevCommand } from './dev.ts';
import { addDoctorCommand } from './doctor.ts';
import { addExecutionsCommands } from './executions.ts';
import { addInitCommand } from './init.ts';
import { addRunCommand } from './run.ts';
import { addSecretCommands } from './secret.ts';
import { addStartCommand } from './start.ts';
import { colors, errorColors } from './terminal.ts';
import { addValidateCommand } from './validate.ts';
import { readVersion } from './version.ts';
import { addWorkflowsCommands } from './workflows.ts';

/**
 * The whole command line, also read by the generator of its reference page. Errors of usage throw a CommanderError.
 *
 * A command imports its parts when it runs: a listing should not wait for the compiler and the database driver to load.
 */
export function createProgram(): Command {
  const program = new Command('nflow')
    .description('Self-hosted workflow engine: JavaScript and TypeScript workflows over HTTP, durable in PostgreSQL.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .showHelpAfterError('Run it with --help to see what it takes.')
    .configureOutput({
      outputError: (text, write) =>
        write(text.replace(/^error:/, `${errorColors.red(errorColors.bold('error'))} ${errorColors.bold('usage')}:`)),
    })
    .configureHelp({
      styleTitle: (text) => colors.bold(text),
      styleCommandText: (text) => colors.cyan(text),
      styleSubcommandText: (text) => colors.cyan(text),
      styleOptionText: (text) => colors.cyan(text),
      styleArgumentText: (text) => colors.cyan(text),
    });
  addStartCommand(program);
  addDevCommand(program);
  addRunCommand(program);
  addValidateCommand(program);
  addApplyCommand(program);
  addExecutionsCommands(program);
  addWorkflowsCommands(program);
  addSecretCommands(program);
  addConfigCommand(program);
  addInitCommand(program);
  addCompletionCommand(program);
  addDoctorCommand(program);
  addBenchCommand(program);
  return program;
}
