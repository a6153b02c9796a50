import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nflow as runNflow, temporaryFolder } from '../cli/spawned.ts';
import { startHttpServer } from '../effects/servers.ts';
import { startNflowServer } from '../support/nflow-server.ts';

const value = 'whsec_0123456789"quoted"';

const workflowOf = (origin: string) => ({
  format: 1,
  name: 'caller',
  triggers: [{ type: 'http', method: 'POST', path: '/call' }],
  nodes: {
    call: {
      type: 'http',
      method: 'POST',
      url: `${origin}/hook`,
      auth: { type: 'apiKey', header: 'x-key', value: '{{ secrets.HOOK_KEY }}' },
      body: { key: '{{ secrets.HOOK_KEY }}' },
      next: 'sign',
    },
    sign: { type: 'crypto', operation: 'hmac', data: 'x', key: '{{ secrets.HOOK_KEY }}', next: 'end' },
    end: { type: 'end', output: { echoed: '{{ nodes.call.body }}', signature: '{{ prev }}' } },
  },
});

test('a secret from the command line to the service and back', async (t) => {
  await using upstream = await startHttpServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ key: request.headers['x-key'], body: request.body }));
  });
  const here = `127.0.0.1:${upstream.port}`;
  const server = await startNflowServer(t, { workflows: {}, egressAllow: [here] });
  const cwd = temporaryFolder(t);
  const token = readFileSync(join(server.folder, 'data', 'admin-token'), 'utf8').trim();
  const nflow = (args: string[], input = '') => {
    const env = { NFLOW_SERVER: server.address, NFLOW_TOKEN: token };
    return runNflow(t, args, { cwd, env, input });
  };
  const publish = async () => {
    const response = await fetch(`${server.address}/nflow/api/v1/workflows`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ workflows: [{ definition: workflowOf(upstream.origin) }] }),
    });
    return { status: response.status, text: await response.text() };
  };

  const unknown = await publish();
  assert.match(unknown.text, /unknown-resource/);
  assert.match(unknown.text, /nflow secret set HOOK_KEY/);

  const binding = ['--host', here, '--effect', 'crypto'];
  const ungranted = await nflow(['secret', 'set', 'HOOK_KEY', ...binding], `${value}\n`);
  assert.equal(ungranted.stderr, '');
  assert.match((await publish()).text, /not-granted/);

  const set = await nflow(['secret', 'set', 'HOOK_KEY', ...binding, '--workflow', 'call*', '--json'], `${value}\n`);
  assert.equal(set.stderr, '');
  assert.deepEqual(JSON.parse(set.stdout).workflows, ['call*']);
  const published = await publish();
  assert.equal(published.status, 200, published.text);

  const answer = await fetch(`${server.address}/call`, { method: 'POST' });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  assert.equal(upstream.requests.at(-1)?.headers['x-key'], value);
  assert.deepEqual(JSON.parse(upstream.requests.at(-1)?.body ?? ''), { key: value });
  assert.equal(JSON.parse(text).echoed.key, '[secret HOOK_KEY]');
  assert.match(JSON.parse(text).signature, /^[0-9a-f]{64}$/);

  const id = answer.headers.get('nflow-execution-id');
  const shown = await nflow(['executions', 'show', String(id), '--json']);
  const listed = await nflow(['secret', 'list']);
  assert.match(listed.stdout, /HOOK_KEY/);
  const rotated = await nflow(['secret', 'rotate-key']);
  assert.match(rotated.stdout, /1 secrets are encrypted/);
  assert.equal((await fetch(`${server.address}/call`, { method: 'POST' })).status, 200);
  for (const seen of [text, shown.stdout, listed.stdout, set.stdout, server.output()])
    assert.doesNotMatch(seen, /whsec_/);

  const noToken = await fetch(`${server.address}/nflow/api/v1/secrets`);
  assert.equal(noToken.status, 401);
  const short = await nflow(['secret', 'set', 'SHORT', ...binding], 'abc12');
  assert.equal(short.code, 2);
  assert.match(short.stderr, /6 to 65536 characters/);
  assert.doesNotMatch(short.stderr, /abc12/);

  assert.equal((await nflow(['secret', 'delete', 'HOOK_KEY'])).code, 0);
  const failed = await fetch(`${server.address}/call`, { method: 'POST' });
  assert.equal(failed.status, 500);
  assert.match(await failed.text(), /not_granted/);
});
