import type { Command } from 'commander';
import { type FollowOptions, followExecutions } from './executions-follow.ts';
import { type ListOptions, listExecutions } from './executions-list.ts';
import { showExecution } from './executions-show.ts';
import { collectNames, parseTime, parseWholeNumber } from './option-values.ts';
import { addServerOptions, type ServerOptions, serverApiOf } from './server-options.ts';

const limitMax = 10_000;

const statusHelp =
  'only in this state: running, waiting, succeeded, failed, timed_out, cancelled or crashed; several with commas';

/** `executions list`, `executions show` and `executions tail`, and the short forms `ls` and `show`. */
export function addExecutionsCommands(program: Command): void {
  const executions = program.command('executions').description('look at the executions of a running server');
  addList(executions.command('list'));
  addShow(executions.command('show'));
  addTail(executions.command('tail'));
  addList(program.command('ls'), 'short for `executions list`');
  addShow(program.command('show'), 'short for `executions show`');
}

function addList(command: Command, description = 'list executions, the newest first'): void {
  addServerOptions(command)
    .description(description)
    .option('-w, --workflow <name>', 'only of this workflow')
    .option('--status <status>', statusHelp, collectNames)
    .option(
      '--since <time>',
      'only those created at this time or later: 2026-11-25T09:30, or how long ago: 15m, 2d',
      parseTime,
    )
    .option('--until <time>', 'only those created before this time', parseTime)
    .option('--text <text>', 'only those with this text in the name of the workflow or in the error, or with this id')
    .option('-n, --limit <count>', `how many, up to ${limitMax}`, parseWholeNumber(limitMax), 20)
    .option('--cursor <cursor>', 'go on where a listing ended')
    .option('--json', 'print JSON')
    .action(async (options: ListOptions & ServerOptions) => {
      await listExecutions(serverApiOf(options), options);
    });
}

function addShow(command: Command, description = 'show one execution with its steps'): void {
  addServerOptions(command)
    .description(description)
    .argument('<id>', 'id of the execution, or its last 8 characters')
    .option('--json', 'print JSON')
    .action(async (id: string, options: ServerOptions & { json?: true }) => {
      await showExecution(serverApiOf(options), id, options.json === true);
    });
}

function addTail(command: Command): void {
  addServerOptions(command)
    .description('print executions as they end, until Ctrl-C')
    .option('-w, --workflow <name>', 'only of this workflow')
    .option('--status <status>', statusHelp, collectNames)
    .option('--json', 'print every event as a line of JSON, beginnings too')
    .action(async (options: FollowOptions & ServerOptions) => {
      await followExecutions(serverApiOf(options), options);
    });
}
