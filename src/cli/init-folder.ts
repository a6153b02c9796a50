import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { authoringPackage } from '../workflow/module/load-modules.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { colors, writeLine } from './terminal.ts';

const testingPackage = authoringPackage.replace(/[^/]+$/, 'testing');

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

const testText = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runWorkflow } from '${testingPackage}';

test('hello greets by name', async () => {
  const { status, output } = await runWorkflow('workflows/hello.workflow.ts', { input: { params: { name: 'Ada' } } });
  assert.equal(status, 'succeeded');
  assert.deepEqual(output, { text: 'Hello, Ada!' });
});

test('stock asks the shop once, and says what is left', async () => {
  const { output, effects } = await runWorkflow('workflows/stock.workflow.ts', {
    input: { params: { sku: 'A-1' } },
    effects: { http: () => ({ body: { left: 3 } }) },
  });
  assert.deepEqual(output, { sku: 'A-1', left: 3 });
  assert.equal(effects.length, 1);
});
`;

const stockText = `// Asks another service, and keeps its answer for a minute.
//
//   curl localhost:8080/api/stock/A-1
import { defineWorkflow } from '${authoringPackage}';

export default defineWorkflow({
  format: 1,
  name: 'stock',
  triggers: [{ type: 'http', method: 'GET', path: '/api/stock/:sku' }],
  nodes: {
    ask: {
      type: 'http',
      url: 'https://shop.example/stock/{{ input.params.sku }}',
      cache: { ttl: '1m' },
      next: 'answer',
    },
    answer: { type: 'respond', body: { sku: '{{ input.params.sku }}', left: '{{ prev.body.left }}' } },
  },
});
`;

const readmeText = `# Workflows

\`\`\`sh
npm install
npm run dev        # serves workflows/, and publishes what you save
npm test           # runs test/, without a server
npm run check      # types, and all that nflow validate finds
\`\`\`

* \`workflows/\`: one file a workflow. What they import of npm packages is bundled when they are published.
* \`test/\`: tests, with \`runWorkflow\`.
* \`config.toml\`: the server's settings.
`;

const tsconfigText = `{
  "compilerOptions": {
    "target": "ESNext",
    "module": "preserve",
    "lib": ["ESNext", "WebWorker"],
    "types": ["node"],
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "resolveJsonModule": true,
    "erasableSyntaxOnly": true,
    "allowImportingTsExtensions": true
  },
  "include": ["workflows", "test"]
}
`;

/** The package as it is, so that the project is checked by what runs it. */
function packageText(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    name: string;
    version: string;
    devDependencies: Record<string, string>;
  };
  const { name, version, devDependencies } = manifest;
  const project = {
    private: true,
    type: 'module',
    scripts: {
      dev: 'nflow dev',
      // Node 20 reads no TypeScript: tests are run by the Node that nFlow brings, which comes first in npm's path.
      test: 'node --test "test/**/*.test.ts"',
      check: 'tsc && nflow validate workflows config.toml',
    },
    devDependencies: {
      [name]: version,
      '@types/node': devDependencies['@types/node'],
      typescript: devDependencies.typescript,
    },
  };
  return `${JSON.stringify(project, null, 2)}\n`;
}

/** Writes what is missing of a first project, and tells what to do next. */
export function initFolder(folder: string): void {
  const files: [path: string, text: string][] = [
    ['package.json', packageText()],
    ['workflows/hello.workflow.ts', workflowText],
    ['workflows/stock.workflow.ts', stockText],
    ['test/workflows.test.ts', testText],
    ['config.toml', configText],
    ['.gitignore', ignoreText],
    ['tsconfig.json', tsconfigText],
    ['README.md', readmeText],
  ];
  const written = files.map(([path, text]) => writeMissing(join(folder, path), text, folder));
  writeLine(written.join('\n'));
  const change = folder === '.' ? '' : `cd ${folder} && `;
  writeLine(
    `\n${colors.dim('Next:')}\n  ${change}npm install && npm run dev\n  curl localhost:8080/api/hello/Ada\n  npm test`,
  );
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
