/** Runs the gates one after the other, and stops at the first that fails. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

export interface VerifyStep {
  name: string;
  /** Run with this process's Node: a script or a package's own entry, with its arguments. */
  args: readonly string[];
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>;
  /** After this it is told to end (so that a test runner can say what hung), and killed when it does not. */
  timeoutMs: number;
}

const killAfterMs = 10_000;

/** The exit code that a shell would give: 128 + the signal's number for a process that a signal ended. */
function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

function runStep(step: VerifyStep, cwd: string): Promise<number> {
  return new Promise((resolve) => {
    // No stdin: a tool that asks a question must fail, not wait.
    const child = spawn(process.execPath, step.args, {
      cwd,
      env: { ...process.env, ...step.env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    let timedOut = false;
    let timer = setTimeout(() => {
      timedOut = true;
      console.error(`${step.name} did not end within ${step.timeoutMs / 1000} s`);
      child.kill('SIGTERM');
      timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    }, step.timeoutMs);
    child.on('error', (error) => {
      console.error(`${step.name} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      // A tool may take the signal for a polite request and end with 0.
      resolve(exitCodeOf(code, signal) || (timedOut ? 1 : 0));
    });
  });
}

/**
 * Resolves to 0 when every step did, else to the exit code of the first that did not. The time of a step is printed when it is
 * over; the last one prints its own, so that nothing comes after the summary of the tests.
 */
export async function runSteps(steps: readonly VerifyStep[], cwd: string): Promise<number> {
  for (const [index, step] of steps.entries()) {
    console.log(`\n▶ ${step.name}  (${index + 1}/${steps.length})`);
    const startMs = performance.now();
    const exitCode = await runStep(step, cwd);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    if (exitCode !== 0) {
      console.error(
        `\n✖ ${step.name} failed after ${seconds} s (exit code ${exitCode}): the steps after it did not run`,
      );
      return exitCode;
    }
    if (index < steps.length - 1) console.log(`✔ ${step.name}  ${seconds} s`);
  }
  return 0;
}
