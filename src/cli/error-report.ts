import { type ErrorPlace, NflowError } from '../errors.ts';
import { CommandFailure } from './failure.ts';
import { errorColors, withoutControls } from './terminal.ts';

interface Reported {
  code: string;
  message: string;
  place?: ErrorPlace;
  got?: string;
  expected?: string;
  remedy?: string;
  /** Lines below the message: what the author of the code needs. */
  stack?: string;
}

/** The error as the terminal shows it: code and message, then place, got, expected and what to do, each on its line. */
export function formatError(error: unknown): string {
  return formatReported(reportedOf(error));
}

function reportedOf(error: unknown): Reported {
  if (error instanceof NflowError)
    return { code: error.code, message: error.message, place: error.details, ...error.details };
  if (error instanceof CommandFailure) return { code: error.code, message: error.message, ...error.details };
  if (error instanceof Error) {
    return { code: 'internal_error', message: error.message, stack: error.stack?.split('\n').slice(1).join('\n') };
  }
  return { code: 'internal_error', message: String(error) };
}

export function formatReported(reported: Reported): string {
  const { code, message, place, got, expected, remedy, stack } = reported;
  const lines = [
    `${errorColors.red(errorColors.bold('error'))} ${errorColors.bold(code)}: ${withoutControls(message)}`,
  ];
  const add = (name: string, text: string | undefined): void => {
    if (text !== undefined && text !== '') lines.push(`  ${errorColors.dim(name.padEnd(8))}  ${withoutControls(text)}`);
  };
  add('at', place === undefined ? undefined : formatPlace(place));
  add('got', got);
  add('expected', expected);
  add('to do', remedy);
  if (stack !== undefined && stack !== '') lines.push(errorColors.dim(withoutControls(stack)));
  return lines.join('\n');
}

/** `price.ts:3:7, node price of order-total`; empty when nothing of it is known. */
export function formatPlace({ workflow, node, file, line, column, pointer }: ErrorPlace): string {
  const inText = [line, column].filter((part) => part !== undefined && part !== 0).join(':');
  const where =
    file === undefined
      ? inText === ''
        ? ''
        : `line ${inText}`
      : [file, inText].filter((part) => part !== '').join(':');
  const owner = [node === undefined ? '' : `node ${node}`, workflow === undefined ? '' : `workflow ${workflow}`];
  return [where, pointer ?? '', ...owner].filter((part) => part !== '').join(', ');
}

export function reportError(error: unknown): void {
  process.stderr.write(`${formatError(error)}\n`);
}

/** What does not stop a command, on stderr. */
export function reportWarning(text: string): void {
  process.stderr.write(`${errorColors.yellow('warning')}: ${withoutControls(text)}\n`);
}
