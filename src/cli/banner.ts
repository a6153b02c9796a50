import type { WorkflowReport } from '../supervisor/messages.ts';
import { colors, formatFields, formatMilliseconds } from './terminal.ts';

export interface Banner {
  version: string;
  address: string;
  /** Where administration is. */
  admin: { address: string; tokenFile: string; readsAreOpen: boolean };
  dataDir: string;
  /** What keeps the data: `PostgreSQL 18, …` or the host of the DSN. */
  database: string;
  startedInMs: number;
  report: WorkflowReport;
  commands: string[];
}

/** What a person sees when the server is ready. */
export function formatBanner(banner: Banner): string {
  const { version, address, dataDir, database, startedInMs, report, commands } = banner;
  const sections = [
    `  ${colors.bold(colors.cyan('nFlow'))} ${version} ${colors.green('is ready')} ${colors.dim(`after ${formatMilliseconds(startedInMs)}`)}`,
    formatFields(
      [
        ['address', colors.bold(address)],
        ...(isUsual(banner) ? [] : ([['admin', formatAdmin(banner.admin)]] as [string, string][])),
        ['data', dataDir],
        ['database', database],
        ['workflows', formatCounts(report)],
      ],
      '  ',
    ),
  ];
  if (report.mistakes !== '') sections.push(report.mistakes.replace(/^(?=.)/gm, '  '));
  sections.push(
    [colors.dim('  Try in another terminal:'), ...commands.map((command) => `    ${command}`)].join('\n'),
    colors.dim('  Ctrl-C stops the server; what is in flight is finished first.'),
  );
  return `\n${sections.join('\n\n')}\n`;
}

/** On the address of the workflows, and read without a token: nothing to say. */
function isUsual({ address, admin }: Banner): boolean {
  return admin.address === address && admin.readsAreOpen;
}

function formatAdmin({ address, tokenFile, readsAreOpen }: Banner['admin']): string {
  return readsAreOpen ? address : `${address} ${colors.dim(`with the token in ${tokenFile}`)}`;
}

function formatCounts({ published, unchanged, mistakeCount }: WorkflowReport): string {
  if (published + unchanged + mistakeCount === 0)
    return colors.dim('none; name a folder of workflow files with --workflows');
  const parts = [`${published} published`, `${unchanged} unchanged`];
  if (mistakeCount > 0) parts.push(colors.red(mistakeCount === 1 ? '1 mistake' : `${mistakeCount} mistakes`));
  return parts.join(', ');
}
