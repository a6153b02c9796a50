import type { Command } from 'commander';
import { nearestName } from '../config/nearest-name.ts';
import { chooseConfigFile } from './config-file.ts';
import { reportWarning } from './error-report.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { colors, formatTable, writeJson, writeLine } from './terminal.ts';

export function addConfigCommand(program: Command): void {
  const config = program.command('config').description('look at the configuration');
  config
    .command('show')
    .description('print every effective value and where it came from; secrets are hidden')
    .option('-c, --config <file>', 'configuration file (default: ./config.toml when it exists)')
    .option('--json', 'print JSON')
    .action(async (options: { config?: string; json?: true }) => {
      const { loadConfig } = await import('../config/load.ts');
      const { showConfig, showConfigAsJson } = await import('../config/show.ts');
      const loaded = loadConfig({ file: chooseConfigFile(options.config) });
      for (const warning of loaded.warnings) reportWarning(warning);
      if (options.json) writeJson(showConfigAsJson(loaded));
      else {
        const rows = showConfig(loaded).map(({ key, value, origin }) => [
          key,
          value,
          origin === 'default' ? colors.dim(origin) : origin,
        ]);
        writeLine(formatTable([{ title: 'key' }, { title: 'value' }, { title: 'from' }], rows));
      }
    });
  config
    .command('docs')
    .description('print the reference of every key: type, unit, default, limits, what to weigh')
    .argument('[name]', 'one section or key only, such as vm_pool or vm_pool.max_size')
    .action(async (name: string | undefined) => {
      const reference = await import('../config/reference.ts');
      if (name === undefined) {
        writeLine(reference.configReference().trimEnd());
        return;
      }
      const described = reference.describeForTerminal(name);
      if (described === null) throw unknownName(name, reference.referenceNames());
      writeLine(described);
    });
}

function unknownName(name: string, known: string[]): CommandFailure {
  const nearest = nearestName(name, known);
  return new CommandFailure('not_found', `There is no section or key ${name}.`, exitCode.failed, {
    got: name,
    expected: nearest === null ? 'a section such as vm_pool, or a key such as vm_pool.max_size' : `perhaps ${nearest}`,
    remedy: '`nflow config docs` lists every one.',
  });
}
