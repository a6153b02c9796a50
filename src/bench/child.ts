/** Child processes of a bench: started with an IPC channel, which is also what ends them when the bench is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { NflowError } from '../errors.ts';

export interface BenchChild {
  process: ChildProcess;
  /** The next message that it sends; rejects when it ends before. */
  message<Message>(): Promise<Message>;
  /** Ends it and waits until it has. */
  stop(): Promise<void>;
}

/** Starts a script with this Node. What it writes to stderr is shown when it fails, and only then. */
export function startChild(script: string, nodeArguments: string[] = []): BenchChild {
  const child = spawn(process.execPath, [...nodeArguments, script], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000);
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    process: child,
    message: <Message>() =>
      new Promise<Message>((resolve, reject) => {
        const onMessage = (message: unknown): void => {
          child.off('close', onClose);
          resolve(message as Message);
        };
        const onClose = (code: number | null, signal: string | null): void => {
          child.off('message', onMessage);
          const message = `${script} ended (${signal ?? `exit code ${code}`}) before it answered:\n${stderr}`;
          reject(new NflowError('internal_error', message));
        };
        child.once('message', onMessage);
        child.once('close', onClose);
      }),
    stop: () => {
      child.kill('SIGTERM');
      return closed;
    },
  };
}
