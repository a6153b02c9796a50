import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nflow, temporaryFolder } from '../cli/spawned.ts';
import { writeWorkflow } from '../cli/workflow-files.ts';
import { startHttpServer } from '../effects/servers.ts';

const value = 'sk_live_0123456789';

test('without a server secrets come from the environment, and the workflow never has the value', async (t) => {
  await using server = await startHttpServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ got: request.headers.authorization ?? request.body }));
  });
  const cwd = temporaryFolder(t);
  const code = `
    const placeholder = ctx.secretRef('TOKEN');
    ctx.log.info(placeholder);
    const headers = { authorization: 'Bearer ' + placeholder };
    const fetched = await (await fetch(input.body.origin, { headers })).json();
    const posted = await ctx.http.post(input.body.origin, { token: placeholder });
    const text = [placeholder, JSON.stringify(fetched), JSON.stringify(posted.body)].join(' ');
    return { text, sawValue: text.includes('sk_live'), again: placeholder === ctx.secretRef('TOKEN') };`;
  const file = writeWorkflow(cwd, 'calls.workflow.json', {
    format: 1,
    name: 'calls',
    nodes: {
      node: {
        type: 'http',
        url: '{{ input.body.origin }}/node',
        auth: { type: 'basic', username: 'ada', password: '{{ secrets.TOKEN }}' },
        next: 'code',
      },
      code: { type: 'code', code, next: 'end' },
      end: { type: 'end', output: { code: '{{ prev }}', node: '{{ nodes.node.body.got }}' } },
    },
  });
  const body = JSON.stringify({ origin: server.origin });
  const env = { NFLOW_SECRETS__TOKEN: value, NFLOW_EGRESS__ALLOW: `["127.0.0.1:${server.port}"]` };
  const { code: exit, stdout, stderr } = await nflow(t, ['run', file, '--body', body], { cwd, env });
  assert.equal(exit, 0, stderr);
  const output = JSON.parse(stdout) as { node: string; code: { text: string; sawValue: boolean; again: boolean } };
  assert.equal(output.code.sawValue, false);
  assert.equal(output.code.again, true);
  assert.match(output.code.text, /^nflow-secret\.TOKEN\.[0-9a-f]{32} \{"got":"Bearer \[secret TOKEN\]"\}/);
  assert.doesNotMatch(stdout, /sk_live/);
  const sent = server.requests.map(({ headers, body: sentBody }) => headers.authorization ?? sentBody);
  const basic = `Basic ${Buffer.from(`ada:${value}`).toString('base64')}`;
  assert.deepEqual(sent, [basic, `Bearer ${value}`, JSON.stringify({ token: value })]);
  assert.doesNotMatch(output.node, new RegExp(Buffer.from(value).toString('base64').slice(0, 12)));
});

test('without the secret the run fails and says how to give it', async (t) => {
  const cwd = temporaryFolder(t);
  const nodes = { a: { type: 'http', url: 'https://example.com/{{ secrets.MISSING }}' } };
  const file = writeWorkflow(cwd, 'missing.workflow.json', { format: 1, name: 'missing', nodes });
  const { code, stderr } = await nflow(t, ['run', file], { cwd, env: {} });
  assert.equal(code, 1);
  assert.match(stderr, /not_granted/);
  assert.match(stderr, /nflow secret set MISSING/);
});
