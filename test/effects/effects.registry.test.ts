import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEffects } from '../../src/effects/effects.ts';
import { NflowError } from '../../src/errors.ts';
import { answerOf, contextOf, failureOf, httpArguments, httpClientConfig } from './calls.ts';
import { startHttpServer, until } from './servers.ts';

test('the effects are found by their kind, others are unknown', async () => {
  const effects = createEffects({ httpClient: httpClientConfig, egress: { allow: [] } });
  for (const kind of ['http', 'sleep', 'sql']) assert.equal(effects.get(kind)?.kind, kind);
  for (const kind of ['nothing', '', 'constructor', '__proto__']) assert.equal(effects.get(kind), undefined);
  await effects.close();
});

test('the allow list of the configuration reaches the guard, with names of the system resolver', async () => {
  await using server = await startHttpServer((_request, response) => response.end('ok'));
  const effects = createEffects({ httpClient: httpClientConfig, egress: { allow: [`127.0.0.1:${server.port}`] } });
  const http = effects.get('http');
  assert.ok(http);
  const call = (url: string) => http.perform({ kind: 'http', argumentsJson: httpArguments({ url }) }, contextOf());
  assert.equal(answerOf(await call(server.origin)).bodyText, 'ok');
  assert.equal(failureOf(await call('http://127.0.0.1:1/')).reason, 'egress_denied');
  assert.equal(failureOf(await call('http://localhost:1/')).reason, 'egress_denied');
  await effects.close();
});

test('closing ends what is under way', async () => {
  await using server = await startHttpServer(() => {});
  const effects = createEffects({ httpClient: httpClientConfig, egress: { allow: ['127.0.0.1'] } });
  const http = effects
    .get('http')
    ?.perform({ kind: 'http', argumentsJson: httpArguments({ url: server.origin }) }, contextOf());
  const sleep = effects.get('sleep')?.perform({ kind: 'sleep', argumentsJson: '{"ms":60000}' }, contextOf());
  assert.ok(http && sleep);
  await until(() => server.requests.length === 1, 'the request is there');
  await effects.close();
  assert.equal(failureOf(await http).reason, 'aborted');
  assert.equal(failureOf(await sleep).reason, 'aborted');
});

test('an allow entry that cannot be read stops the start', () => {
  assert.throws(
    () => createEffects({ httpClient: httpClientConfig, egress: { allow: ['*.internal'] } }),
    (error: unknown) => error instanceof NflowError && error.code === 'invalid_config',
  );
});
