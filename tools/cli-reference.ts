/** Writes docs/reference/cli.md from the commands themselves. */
import { writeFileSync } from 'node:fs';
import type { Argument, Command, Option } from 'commander';
import { createProgram } from '../src/cli/program.ts';

const preface = `# Command line

<!-- Written by tools/cli-reference.ts from the commands: change those. -->

In the repository the command is \`npx nflow\`; installed globally it is \`nflow\`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | what was asked for failed |
| 2 | wrong usage or configuration |
| 3 | server or database not reached |
| 4 | data folder or port taken |
| 129, 130, 143 | stopped at once by a second SIGHUP, SIGINT or SIGTERM |

Errors go to stderr with a code. Colours are left out when the output is not a terminal, and with \`NO_COLOR\`.
Commands that talk to a server find it by \`--server\`, else \`NFLOW_SERVER\`, else \`http://127.0.0.1:8080\`. They send the token in
\`NFLOW_TOKEN\`, else, to a server on this machine, the admin token of the data folder that \`--data\` names. Reading needs none on a server
that only this machine can reach; writing always does.
`;

/** The page as Markdown. */
export function cliReference(): string {
  const sections = leavesOf(createProgram()).map(({ path, command }) => sectionOf(path, command));
  return `${[preface, ...sections].join('\n')}`;
}

function leavesOf(command: Command, path: string[] = []): { path: string[]; command: Command }[] {
  const here = [...path, command.name()];
  if (command.commands.length === 0) return [{ path: here, command }];
  return command.commands.flatMap((child) => leavesOf(child, here));
}

function sectionOf(path: string[], command: Command): string {
  const usage = [...path, ...command.registeredArguments.map(shownArgument), '[options]'].join(' ');
  const isShortForm = command.description().startsWith('short for ');
  const rows = isShortForm ? [] : [...command.registeredArguments.map(argumentRow), ...command.options.map(optionRow)];
  return [
    `## ${path.slice(1).join(' ')}`,
    '',
    `\`${usage}\``,
    '',
    `${upperFirst(command.description())}.`,
    '',
    ...(rows.length === 0 ? [] : ['| argument or option | |', '|---|---|', ...rows, '']),
  ].join('\n');
}

function shownArgument(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function argumentRow(argument: Argument): string {
  return `| \`${shownArgument(argument)}\` | ${cell(argument.description)} |`;
}

function optionRow(option: Option): string {
  const fallback = option.defaultValue === undefined ? '' : ` (default: \`${String(option.defaultValue)}\`)`;
  return `| \`${option.flags}\` | ${cell(option.description)}${fallback} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function upperFirst(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

if (import.meta.main) writeFileSync(new URL('../docs/reference/cli.md', import.meta.url), cliReference());
