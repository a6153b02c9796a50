/** Workflow modules in a folder of their own, evaluated on a real runner. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { createEvaluator } from '../../src/cli/workflow-evaluator.ts';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { type LoadedFiles, loadWorkflowFiles } from '../../src/workflow/folder.ts';

export async function loadModules(
  test: TestContext,
  dispatcher: RunnerDispatcher,
  files: Record<string, string>,
  options: { paths?: string[]; timeoutMs?: number } = {},
): Promise<LoadedFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'nflow-modules-'));
  test.after(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const evaluator = createEvaluator(dispatcher, options.timeoutMs);
  return loadWorkflowFiles(options.paths ?? ['.'], { folder, evaluator });
}

/** `file:line:column code`, one a finding. */
export function placesOf({ findings }: LoadedFiles): string[] {
  return findings.map(({ file, line, column, code }) => `${file}:${line}:${column} ${code}`);
}
