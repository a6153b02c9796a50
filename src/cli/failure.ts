import { NflowError } from '../errors.ts';
import { type ExitCode, exitCode } from './exit-code.ts';

/** A command that cannot do what it was asked for: what the terminal shows of it, and how the process ends. */
export class CommandFailure extends Error {
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly details: FailureDetails;

  constructor(code: string, message: string, exit: ExitCode, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'CommandFailure';
    this.code = code;
    this.exitCode = exit;
    this.details = details;
  }
}

export interface FailureDetails {
  got?: string;
  expected?: string;
  remedy?: string;
  cause?: unknown;
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFailure) return error.exitCode;
  if (!(error instanceof NflowError)) return exitCode.failed;
  switch (error.code) {
    case 'invalid_config':
      return exitCode.usage;
    case 'store_unavailable':
    // Of a PostgreSQL that cannot run on this machine.
    case 'not_available':
      return exitCode.unreachable;
    case 'conflict':
      return exitCode.taken;
    default:
      return exitCode.failed;
  }
}
