import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { authoringPackage } from '../workflow/module/load-modules.ts';
import { nflowCommand } from './commands-to-try.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { colors, writeLine } from './terminal.ts';

const workflowText = `// Answers GET /api/hello/:name.
//
//   curl localhost:8080/api/hello/Ada
import { defineWorkflow } from '${authoringPackage}';

export default defineWorkflow({
  format: 1,
  name: 'hello',
  triggers: [{ type: 'http', method: 'GET', path: '/api/hello/:name' }],
  nodes: {
    greet: {
      type: 'code',
      // It runs alone, in a VM: it has its parameters, its own names and globals.
      code: (input, ctx) => {
        ctx.log.info('somebody says hello');
        return { text: \`Hello, \${input.params.name}!\` };
      },
    },
  },
});
`;

const configText = `# Every key: nflow config docs. What is in effect, and where it comes from: nflow config show.

[server]
host = "127.0.0.1"
port = 8080

[egress]
# Addresses of this machine and of private networks that workflows may call; public ones need no entry.
allow = []
`;

const ignoreText = `# Data of the server: its database and its admin token.
.nflow/
node_modules/
`;

const tsconfigText = `{
  "compilerOptions": {
    "target": "ESNext",
    "module": "preserve",
    "lib": ["ESNext", "WebWorker"],
    "types": [],
    "strict": true,
    "noEmit": true,
    "erasableSyntaxOnly": true,
    "allowImportingTsExtensions": true
  },
  "include": ["workflows"]
}
`;

/** Writes what is missing of a first project, and tells what to do next. */
export function initFolder(folder: string): void {
  const files: [path: string, text: string][] = [
    ['workflows/hello.workflow.ts', workflowText],
    ['config.toml', configText],
    ['.gitignore', ignoreText],
    ['tsconfig.json', tsconfigText],
  ];
  // Without the package in reach an editor would not know what a workflow file imports.
  if (!isInstalledFor(folder)) files.push(['workflows/nflow.d.ts', declaredModule()]);
  const written = files.map(([path, text]) => writeMissing(join(folder, path), text, folder));
  writeLine(written.join('\n'));
  const change = folder === '.' ? '' : `cd ${folder} && `;
  writeLine(`\n${colors.dim('Next:')}\n  ${change}${nflowCommand()} dev\n  curl localhost:8080/api/hello/Ada`);
}

function writeMissing(path: string, text: string, folder: string): string {
  const shown = relative(folder, path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: 'wx' });
    return `${colors.green('✔')} ${shown}`;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      return `  ${shown} ${colors.dim('is there, and left alone')}`;
    throw new CommandFailure('usage', `${path} could not be written: ${(cause as Error).message}`, exitCode.usage, {
      remedy: 'Name a folder that you may write.',
      cause,
    });
  }
}

function isInstalledFor(folder: string): boolean {
  const [scope = '', name = ''] = authoringPackage.split('/');
  return existsSync(join(folder, 'node_modules', scope, name));
}

/** The types of authors as a module that is declared, for folders without the package. */
function declaredModule(): string {
  const path = fileURLToPath(new URL('../../authoring/workflow.d.ts', import.meta.url));
  const body = readFileSync(path, 'utf8').replace(/^(?=.)/gm, '  ');
  return `// What an editor knows of workflow files. Not needed once the package is installed beside them.\ndeclare module '${authoringPackage}' {\n${body}}\n`;
}
