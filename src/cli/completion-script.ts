/** Completion for shells, written from the commands themselves. */
import type { Command } from 'commander';

interface Word {
  text: string;
  description: string;
}

/** A command, or a group of them, by the words that lead to it. */
interface Place {
  /** `''` for the program, `executions list`. */
  path: string;
  /** What may come next: commands, or the choices of an argument. */
  subcommands: Word[];
  options: Word[];
  /** Whether its argument is a workflow: names are taken from the files of the usual folders. */
  takesWorkflow: boolean;
}

export function completionScript(program: Command, shell: 'bash' | 'zsh' | 'fish'): string {
  const places = placesOf(program, []);
  switch (shell) {
    case 'bash':
      return bashScript(places);
    case 'zsh':
      return zshScript(places);
    case 'fish':
      return fishScript(places);
  }
}

function placesOf(command: Command, path: string[]): Place[] {
  const own: Place = {
    path: path.join(' '),
    subcommands: [
      ...command.commands.map((child) => ({ text: child.name(), description: child.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((text) => ({ text, description })),
      ),
    ],
    options: [
      ...command.options.flatMap(({ long, description }) => (long ? [{ text: long, description }] : [])),
      { text: '--help', description: 'show the help' },
    ],
    takesWorkflow: command.registeredArguments.some((argument) => argument.name() === 'name-or-file'),
  };
  return [own, ...command.commands.flatMap((child) => placesOf(child, [...path, child.name()]))];
}

const header = '# Written by `nflow completion`.';
/** Names of workflow files of the usual folders. */
const namesOfFiles =
  "command ls workflows examples 2>/dev/null | sed -n 's/\\.workflow\\.[jt]s$//p; s/\\.workflow\\.json$//p'";

/** The words that are subcommands, as patterns of `path word`. */
function stepsOf(places: readonly Place[]): string[] {
  return places.filter(({ path }) => path !== '').map(({ path }) => path);
}

function bashScript(places: readonly Place[]): string {
  const steps = stepsOf(places).map((path) => `"${path}"`);
  const cases = places.map(({ path, subcommands, options, takesWorkflow }) => {
    const words = [...subcommands, ...options].map(({ text }) => text).join(' ');
    return `    "${path}") words="${words}${takesWorkflow ? ` $(${namesOfFiles})` : ''}" ;;`;
  });
  return `${header}
_nflow() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word step words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    step="\${path:+$path }$word"
    case "$step" in
      ${steps.join('|')}) path="$step" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _nflow nflow
`;
}

function zshScript(places: readonly Place[]): string {
  const quoted = ({ text, description }: Word): string =>
    `'${text}:${description.replaceAll("'", "'\\''").replaceAll(':', '\\:')}'`;
  const steps = stepsOf(places).map((path) => `"${path}"`);
  const cases = places.map(({ path, subcommands, options, takesWorkflow }) => {
    const lines = [`    "${path}")`];
    if (subcommands.length > 0) lines.push(`      commands=(${subcommands.map(quoted).join(' ')})`);
    if (takesWorkflow) lines.push(`      commands=($(${namesOfFiles}))`);
    lines.push(`      options=(${options.map(quoted).join(' ')})`, '      ;;');
    return lines.join('\n');
  });
  return `#compdef nflow
${header}
_nflow() {
  local word step place=""
  local -a commands options
  for word in "\${words[@]:1:$((CURRENT - 2))}"; do
    step="\${place:+$place }$word"
    case "$step" in
      ${steps.join('|')}) place="$step" ;;
    esac
  done
  case "$place" in
${cases.join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe option options
  else
    (( \${#commands} )) && _describe command commands
    _files
  fi
}
if [[ "\${funcstack[1]}" == _nflow ]]; then _nflow; else compdef _nflow nflow; fi
`;
}

function fishScript(places: readonly Place[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = places.flatMap(({ path, subcommands, options, takesWorkflow }) => {
    const condition = `-n ${quoted(`__nflow_at ${quoted(path)}`)}`;
    return [
      ...subcommands.map(
        ({ text, description }) => `complete -c nflow -f ${condition} -a ${text} -d ${quoted(description)}`,
      ),
      ...options.map(
        ({ text, description }) => `complete -c nflow ${condition} -l ${text.slice(2)} -d ${quoted(description)}`,
      ),
      ...(takesWorkflow ? [`complete -c nflow ${condition} -a ${quoted(`(${namesOfFiles})`)}`] : []),
    ];
  });
  const steps = stepsOf(places).map(quoted);
  return `${header}
function __nflow_at
  set -l place ''
  for word in (commandline -opc)[2..-1]
    set -l step (string trim -- "$place $word")
    if contains -- $step ${steps.join(' ')}
      set place $step
    end
  end
  test "$place" = "$argv[1]"
end
${lines.join('\n')}
`;
}
