/** The command line: parses the arguments, runs one command, turns its end into an exit code. */
import { CommanderError } from 'commander';
import { reportError } from './error-report.ts';
import { exitCode } from './exit-code.ts';
import { exitCodeOf } from './failure.ts';
import { onLauncherDeath } from './lifeline.ts';
import { createProgram } from './program.ts';

onLauncherDeath(() => process.exit(exitCode.failed));

// A reader that has seen enough (`nflow ls | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCode.done);
});

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // It has written its message itself. Its code is 0 for --help and --version, 1 for wrong usage.
    process.exitCode = error.exitCode === 0 ? exitCode.done : exitCode.usage;
  } else {
    reportError(error);
    process.exitCode = exitCodeOf(error);
  }
}
