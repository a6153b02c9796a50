import { type ConfigFinding, checkConfig, loadConfig } from '../config/load.ts';
import { createLog } from '../observe/log.ts';
import type { Finding } from '../workflow/compiled.ts';
import { type LoadedFiles, loadWorkflowFiles, workflowFileSuffixes } from '../workflow/folder.ts';
import { reportWarning } from './error-report.ts';
import { exitCode } from './exit-code.ts';
import { paintFindings } from './findings.ts';
import { colors, writeJson, writeLine } from './terminal.ts';
import { createOwnEvaluator } from './workflow-evaluator.ts';

/** Checks all of it, prints what was found, and sets the exit code. */
export async function validate(paths: string[], asJson: boolean): Promise<void> {
  const configFiles = paths.filter((path) => path.endsWith('.toml'));
  const workflowPaths = paths.filter((path) => !path.endsWith('.toml'));
  // The environment belongs to the server that will run, not to the file.
  const checks = configFiles.map((file) => checkConfig({ file, env: {} }));
  for (const warning of checks.flatMap((check) => check.loaded.warnings)) reportWarning(warning);
  const { workflows, findings } = await loadWithEvaluator(workflowPaths);
  const all = [...checks.flatMap((check) => check.findings.map(asFinding)), ...findings];
  if (asJson) writeJson(all.map(withoutMessage));
  else {
    if (all.length > 0) writeLine(paintFindings(all, colors));
    const good = checks.filter((check) => check.findings.length === 0).length;
    writeLine(formatCounts(workflows.length, good, all.length));
  }
  if (all.length > 0) process.exitCode = exitCode.failed;
}

/** With the limits of the default configuration: the server's belong to the server. */
async function loadWithEvaluator(paths: string[]): Promise<LoadedFiles> {
  const evaluator = createOwnEvaluator(loadConfig({ env: {} }).config, createLog({ level: 'warn' }));
  try {
    return await loadWorkflowFiles(paths, { evaluator });
  } finally {
    await evaluator.close();
  }
}

function asFinding({ file, line, column, key, code, got, expected, message }: ConfigFinding): Finding {
  const pointer = key === '' ? '' : `/${key.replaceAll('.', '/')}`;
  return { file, pointer, line: Math.max(1, line), column: Math.max(1, column), code, got, expected, message };
}

/** The fields that `--json` promises. */
function withoutMessage({ file, pointer, line, column, code, got, expected }: Finding): Omit<Finding, 'message'> {
  return { file, pointer, line, column, code, got, expected };
}

function formatCounts(workflows: number, configs: number, findings: number): string {
  const good = [
    workflows > 0 ? count(workflows, 'workflow') : '',
    configs > 0 ? count(configs, 'configuration file') : '',
  ].filter((part) => part !== '');
  const goodText = good.length === 0 ? '' : colors.green(`✔ ${good.join(' and ')} good`);
  const badText = findings === 0 ? '' : colors.red(`✖ ${count(findings, 'finding')}`);
  const text = [goodText, badText].filter((part) => part !== '').join('   ');
  return text === '' ? `There are no workflow files here (*${workflowFileSuffixes.join(', *')}).` : text;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
