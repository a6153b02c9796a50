import type { Command } from 'commander';
import { parseWholeNumber } from './option-values.ts';
import { addServerOptions, type ServerOptions, serverApiOf } from './server-options.ts';

interface WorkflowOptions extends ServerOptions {
  json?: true;
}

const limitMax = 500;

/** What a server has published: looking at it, and going back. */
export function addWorkflowsCommands(program: Command): void {
  const workflows = program
    .command('workflows')
    .description('look at the workflows of a running server, and go back to older versions');
  addServerOptions(workflows.command('list'))
    .description('list workflows, by name')
    .option('--text <text>', 'only those with this text in their name')
    .option('--state <state>', 'only in this state: published, unpublished, draft or archived')
    .option('-n, --limit <count>', `how many, up to ${limitMax}`, parseWholeNumber(limitMax), 100)
    .option('--cursor <cursor>', 'go on where a listing ended')
    .option('--json', 'print JSON')
    .action(async (options: WorkflowOptions & { text?: string; state?: string; limit: number; cursor?: string }) => {
      const { listWorkflows } = await import('./workflows-list.ts');
      await listWorkflows(serverApiOf(options), options);
    });
  addServerOptions(workflows.command('show'))
    .description('show a workflow: what starts it, what it uses, its newest versions')
    .argument('<name>', 'name of the workflow')
    .option('--json', 'print JSON, with the definition')
    .action(async (name: string, options: WorkflowOptions) => {
      const { showWorkflow } = await import('./workflows-list.ts');
      await showWorkflow(serverApiOf(options), name, options.json === true);
    });
  addServerOptions(workflows.command('versions'))
    .description('list the versions of a workflow, the newest first')
    .argument('<name>', 'name of the workflow')
    .option('-n, --limit <count>', `how many, up to ${limitMax}`, parseWholeNumber(limitMax), 20)
    .option('--cursor <cursor>', 'go on where a listing ended')
    .option('--json', 'print JSON')
    .action(async (name: string, options: WorkflowOptions & { limit: number; cursor?: string }) => {
      const { listVersions } = await import('./workflows-list.ts');
      await listVersions(serverApiOf(options), name, options);
    });
  addServerOptions(workflows.command('diff'))
    .description('show what is different between two versions of a workflow')
    .argument('<name>', 'name of the workflow')
    .argument('<from>', 'a version number, published or draft')
    .argument('[to]', 'a version number, published or draft', 'published')
    .option('--json', 'print JSON')
    .action(async (name: string, from: string, to: string, options: WorkflowOptions) => {
      const { showDiff } = await import('./workflows-diff.ts');
      await showDiff(serverApiOf(options), name, { from, to }, options.json === true);
    });
  addServerOptions(workflows.command('rollback'))
    .description('publish the content of an older version, as the newest one')
    .argument('<name>', 'name of the workflow')
    .argument('<version>', 'number of the version', parseWholeNumber(2 ** 31 - 1))
    .option('--json', 'print JSON')
    .action(async (name: string, version: number, options: WorkflowOptions) => {
      const { rollBack } = await import('./workflows-change.ts');
      await rollBack(serverApiOf(options), name, version, options.json === true);
    });
  addServerOptions(workflows.command('unpublish'))
    .description('let a workflow answer no more; its versions stay')
    .argument('<name>', 'name of the workflow')
    .option('--json', 'print JSON')
    .action(async (name: string, options: WorkflowOptions) => {
      const { unpublish } = await import('./workflows-change.ts');
      await unpublish(serverApiOf(options), name, options.json === true);
    });
}
