import { type Command, InvalidArgumentError } from 'commander';
import { readClientSettings } from '../config/client.ts';
import { type ListOptions, listExecutions } from './executions-list.ts';
import { showExecution } from './executions-show.ts';
import { ServerApi } from './server-api.ts';

const limitMax = 500;

/** `executions list` and `executions show`, and their short forms `ls` and `show`. */
export function addExecutionsCommands(program: Command): void {
  const executions = program.command('executions').description('look at the history of a running server');
  addList(executions.command('list'));
  addShow(executions.command('show'));
  addList(program.command('ls'), 'short for `executions list`');
  addShow(program.command('show'), 'short for `executions show`');
}

function addServerOption(command: Command): Command {
  return command.option(
    '-s, --server <url>',
    'address of the server (default: NFLOW_SERVER, else http://127.0.0.1:8080)',
  );
}

function addList(command: Command, description = 'list executions, the newest first'): void {
  addServerOption(command)
    .description(description)
    .option('-w, --workflow <name>', 'only of this workflow')
    .option(
      '--status <status>',
      'only in this state: running, waiting, succeeded, failed, timed_out, cancelled or crashed',
    )
    .option('-n, --limit <count>', `how many, up to ${limitMax}`, parseLimit, 20)
    .option('--cursor <cursor>', 'go on where a listing ended')
    .option('--json', 'print JSON')
    .action(async (options: ListOptions & { server?: string }) => {
      await listExecutions(new ServerApi(readClientSettings(options.server)), options);
    });
}

function addShow(command: Command, description = 'show one execution with its steps'): void {
  addServerOption(command)
    .description(description)
    .argument('<id>', 'id of the execution, or its last 8 characters')
    .option('--json', 'print JSON')
    .action(async (id: string, options: { server?: string; json?: true }) => {
      await showExecution(new ServerApi(readClientSettings(options.server)), id, options.json === true);
    });
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${limitMax}.`);
  }
  return limit;
}
