import type { Command } from 'commander';
import { chooseConfigFile } from './config-file.ts';
import type { Check, CheckStatus } from './doctor/check.ts';
import { exitCode } from './exit-code.ts';
import { colors, formatTable, writeJson, writeLine } from './terminal.ts';

interface DoctorOptions {
  config?: string;
  data: string;
  json?: true;
}

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look at this machine: what isolates workflows here, and what a server needs and would find')
    .option('-c, --config <file>', 'configuration file (default: ./config.toml when it exists)')
    .option('-d, --data <folder>', 'data folder of the server', '.nflow')
    .option('--json', 'print JSON')
    .action(async (options: DoctorOptions) => {
      const checks = await examine(options);
      const failed = checks.filter(({ status }) => status === 'failed');
      if (options.json) writeJson({ ok: failed.length === 0, checks });
      else writeLine(formatChecks(checks));
      if (failed.length > 0) process.exitCode = exitCode.failed;
    });
}

async function examine(options: DoctorOptions): Promise<Check[]> {
  const { resolve } = await import('node:path');
  const { loadConfig } = await import('../config/load.ts');
  const { checkRuntime } = await import('./doctor/runtime.ts');
  const { checkIsolation } = await import('./doctor/isolation.ts');
  const { checkDatabase } = await import('./doctor/database.ts');
  const { checkData } = await import('./doctor/data.ts');
  const { config } = loadConfig({ file: chooseConfigFile(options.config) });
  const dataDir = resolve(options.data);
  return [
    ...checkRuntime(),
    ...(await checkIsolation(config)),
    ...(await checkDatabase(config, dataDir)),
    ...checkData(dataDir),
  ];
}

const paint: Readonly<Record<CheckStatus, (text: string) => string>> = {
  ok: colors.green,
  off: colors.yellow,
  warning: colors.yellow,
  failed: colors.red,
};

function formatChecks(checks: readonly Check[]): string {
  const areas = Map.groupBy(checks, ({ area }) => area);
  const sections = [...areas].map(([area, found]) => {
    const rows = found.flatMap(({ name, status, detail, remedy }) => [
      [name, paint[status](status), detail],
      ...(remedy === null ? [] : [['', '', colors.dim(remedy)]]),
    ]);
    return formatTable([{ title: area }, { title: '' }, { title: '', canShrink: true }], rows);
  });
  const count = (status: CheckStatus): number => checks.filter((found) => found.status === status).length;
  const summary = `${count('ok')} ok, ${count('off')} off, ${count('warning')} warnings, ${count('failed')} failed`;
  return `${sections.join('\n\n')}\n\n${summary}`;
}
