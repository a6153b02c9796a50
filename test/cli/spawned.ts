/** Child processes of the tests: their output and their end. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const launcher = fileURLToPath(new URL('../../bin/nflow.mjs', import.meta.url));
export const pinnedNode = fileURLToPath(new URL('../../bin/pinned-node.mjs', import.meta.url));

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Spawned {
  child: ChildProcess;
  pid: number;
  /** What it wrote so far. */
  stdout(): string;
  stderr(): string;
  ended: Promise<Ended>;
}

/** Starts Node with these arguments; it is killed when the test is over. */
export function spawnNode(test: TestContext, nodeArguments: readonly string[], options: SpawnOptions = {}): Spawned {
  const child = spawn(process.execPath, nodeArguments, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  const written = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    written.stderr += text;
  });
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, ...written })),
  );
  test.after(() => child.kill('SIGKILL'));
  return { child, pid: child.pid as number, stdout: () => written.stdout, stderr: () => written.stderr, ended };
}

/** Runs `nflow` with these arguments to its end. */
export function nflow(
  test: TestContext,
  commandArguments: readonly string[],
  options: SpawnOptions & { input?: string } = {},
): Promise<Ended> {
  const { input, ...spawnOptions } = options;
  const spawned = spawnNode(test, [launcher, ...commandArguments], spawnOptions);
  spawned.child.stdin?.end(input ?? '');
  return spawned.ended;
}

export function temporaryFolder(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-cli-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Polls until the condition holds; fails after 30 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited 30 s in vain for: ${what}`);
    await delay(20);
  }
}
