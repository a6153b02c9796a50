import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { nflow, temporaryFolder } from './spawned.ts';

const workflow = `import { greet } from 'greeter';
export default {
  format: 1,
  name: 'greeting',
  triggers: [{ type: 'http', method: 'GET', path: '/api/greeting/:name' }],
  nodes: { greet: { type: 'code', code: (input) => ({ text: greet(input.params.name) }) } },
};
`;

test('the machine that applies bundles packages, and the server runs them without having them', async (t) => {
  const server = await startNflowServer(t, { workflows: {}, egressAllow: [] });
  const folder = temporaryFolder(t);
  const packaged = join(folder, 'node_modules', 'greeter');
  mkdirSync(packaged, { recursive: true });
  writeFileSync(
    join(packaged, 'package.json'),
    JSON.stringify({ name: 'greeter', version: '1.0.0', main: 'index.js' }),
  );
  writeFileSync(join(packaged, 'index.js'), "exports.greet = (name) => 'Hello, ' + name + '!';");
  writeFileSync(join(folder, 'greeting.workflow.ts'), workflow);
  const apply = () =>
    nflow(t, ['apply', 'greeting.workflow.ts', '--json', '--data', join(server.folder, 'data')], {
      cwd: folder,
      env: { ...process.env, NFLOW_SERVER: server.address, NO_COLOR: '1' },
    });
  const first = await apply();
  assert.equal(first.code, 0, first.stderr);
  const second = await apply();
  assert.equal(JSON.parse(second.stdout).workflows[0].result, 'unchanged', 'the same packages make the same text');
  rmSync(packaged, { recursive: true });
  const answer = await fetch(`${server.address}/api/greeting/Ada`);
  assert.deepEqual(await answer.json(), { text: 'Hello, Ada!' });
  const third = await apply();
  assert.equal(third.code, 1);
  assert.match(third.stderr + third.stdout, /not installed here.*npm install greeter/s);
});
