/**
 * PostgreSQL must not outlive us when we are killed. A parent-death signal exists on Linux only and is lost when the account
 * changes, so a small shell waits instead, on every system: it holds the read end of a pipe whose write end only we have. When
 * we end, however it happens, the pipe closes and the shell stops the server. When the server ends first, we end the shell.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { postgresEnvironment } from './binaries.ts';

/** In order: it writes a checkpoint. */
const stopScript = `
read -r _
kill -CONT "$1" 2>/dev/null
kill -INT "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 30 ]; do sleep 1; tries=$((tries + 1)); done
kill -QUIT "$1" 2>/dev/null
`;

/** At once, with all that it started: what it was making is thrown away. */
const endScript = `
read -r _
kill -s KILL -- "-$1" 2>/dev/null
`;

/** `stop`: in order. `end`: at once, together with the process group that it leads. */
export type WatchedEnd = 'stop' | 'end';

/** Stops a process, or ends it, when ours ends. */
export class ProcessWatcher {
  readonly #shell: ChildProcess;

  constructor(pid: number, how: WatchedEnd) {
    const script = how === 'stop' ? stopScript : endScript;
    // A process group of its own: Ctrl-C on the terminal is for us, who drain first.
    this.#shell = spawn('/bin/sh', ['-c', script, 'nflow-postgres-watcher', String(pid)], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: postgresEnvironment(null),
    });
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
    this.#shell.unref();
    const pipe = this.#shell.stdin as unknown as { unref?: () => void } | null;
    pipe?.unref?.();
  }

  /** Ends the watch; the watched process is left alone. */
  dismiss(): void {
    this.#shell.kill('SIGKILL');
  }
}
