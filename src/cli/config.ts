import type { Command } from 'commander';
import { chooseConfigFile } from './config-file.ts';
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
      const { showConfig } = await import('../config/show.ts');
      const values = showConfig(loadConfig({ file: chooseConfigFile(options.config) }));
      if (options.json) writeJson(values);
      else {
        const rows = values.map(({ key, value, origin }) => [
          key,
          value,
          origin === 'default' ? colors.dim(origin) : origin,
        ]);
        writeLine(formatTable([{ title: 'key' }, { title: 'value' }, { title: 'from' }], rows));
      }
    });
  config
    .command('docs')
    .description('print the reference of every key: type, unit, default, limits')
    .action(async () => {
      const { configReference } = await import('../config/reference.ts');
      writeLine(configReference().trimEnd());
    });
}
