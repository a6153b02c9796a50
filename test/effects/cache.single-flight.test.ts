import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer } from '../support/target-server.ts';

function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false }, async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      resolve(`${answer.statusCode} ${text}`);
    })
      .on('error', reject)
      .end();
  });
}

test('a thousand requests that miss one key at one time make one call', async (t) => {
  const target = await startTargetServer();
  t.after(() => target.stop());
  const trigger = (path: string) => [{ type: 'http', method: 'GET', path }];
  const server = await startNflowServer(t, {
    egressAllow: [`127.0.0.1:${target.port}`],
    // A thousand at once is not what a small machine has VMs ready for.
    env: { NFLOW_VM_POOL__ACQUIRE_TIMEOUT_MS: '60000' },
    workflows: {
      node: {
        format: 1,
        name: 'node',
        triggers: trigger('/node'),
        durability: 'ephemeral',
        nodes: {
          stock: { type: 'http', url: `${target.url}/node?delayMs=500`, cache: { ttl: '1m' }, next: 'end' },
          end: { type: 'end', output: '{{ nodes.stock.body }}' },
        },
      },
      wrap: {
        format: 1,
        name: 'wrap',
        triggers: trigger('/wrap'),
        durability: 'ephemeral',
        nodes: {
          stock: {
            type: 'code',
            code: `return ctx.cache.wrap('stock', '1m', async () => (await ctx.http.get('${target.url}/wrap?delayMs=500')).body);`,
          },
        },
      },
    },
  });
  for (const path of ['/node', '/wrap']) {
    const answers = await Promise.all(Array.from({ length: 1000 }, () => get(`${server.address}${path}`)));
    assert.equal(new Set(answers).size, 1, [...new Set(answers)].join('\n'));
    assert.match(answers[0] as string, /^200 \{"n":\d,"path":"/);
    assert.equal(await get(`${server.address}${path}`), answers[0]);
  }
  assert.deepEqual(
    target.log().map(({ path }) => path),
    ['/node?delayMs=500', '/wrap?delayMs=500'],
  );
  const metrics = await get(`${server.address}/metrics`);
  assert.match(metrics, /^nflow_cache_misses_total 2$/m);
  assert.match(metrics, /^nflow_cache_hits_total 2000$/m);
});
