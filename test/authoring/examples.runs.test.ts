import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { type HttpCall, runWorkflow } from '@nflow-engine/nflow/testing';
import { loadConfig } from '../../src/config/load.ts';

const example = (name: string): URL => new URL(`../../examples/${name}`, import.meta.url);

test('the order total adds up', async () => {
  const body = {
    name: 'Ada',
    items: [
      { price: 9.5, qty: 2 },
      { price: 1, qty: 3 },
    ],
  };
  const { output } = await runWorkflow(example('order-total.workflow.json'), { input: { body } });
  assert.equal(output.total, 22);
});

test('the availability asks for each article once, at one time, and goes on without one that fails', async () => {
  let open = 0;
  let openMost = 0;
  const http = async ({ url }: HttpCall) => {
    openMost = Math.max(openMost, ++open);
    await new Promise((resolve) => setTimeout(resolve, 20));
    open--;
    return url.endsWith('/C-3') ? { status: 404 } : { body: { inStock: url.length } };
  };
  const input = { query: { sku: ['A-1', 'B-22', 'A-1', 'C-3'] } };
  const { output, effects, logs } = await runWorkflow(example('availability.workflow.ts'), {
    input,
    effects: { http },
  });
  assert.deepEqual(output.articles, [
    { sku: 'A-1', inStock: 'http://127.0.0.1:8080/api/stock/A-1'.length },
    { sku: 'B-22', inStock: 'http://127.0.0.1:8080/api/stock/B-22'.length },
    { sku: 'C-3', inStock: null },
  ]);
  assert.equal(effects.length, 3);
  assert.equal(openMost, 3);
  assert.match(logs[0]?.text ?? '', /no answer for C-3/);
});

test('the webhook takes what is signed with the key of the configuration, and nothing else', async () => {
  const { config } = loadConfig({ file: new URL('../../examples/config.toml', import.meta.url).pathname, env: {} });
  const key = Buffer.from(String(config.vars.webhook_key), 'base64');
  const rawBody = JSON.stringify({ event: 'paid', order: 17 });
  const send = (signed: string, atMs: number) => {
    const time = String(Math.floor(atMs / 1000));
    const signature = createHmac('sha256', key).update(`msg_1.${time}.${signed}`).digest('base64');
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': time, 'webhook-signature': `v1,${signature}` };
    const input = { body: JSON.parse(rawBody), rawBody, headers };
    return runWorkflow(example('webhook.workflow.ts'), { input, vars: config.vars });
  };
  const good = await send(rawBody, Date.now());
  assert.deepEqual(good.output, { received: 'paid', order: 17 });
  for (const [signed, atMs] of [
    ['{}', Date.now()],
    [rawBody, Date.now() - 600_000],
  ] as const) {
    const { httpStatus, error } = await send(signed, atMs);
    assert.equal(httpStatus, 401);
    assert.match(error?.message ?? '', /The signature is not good/);
  }
});
