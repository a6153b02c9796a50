import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseEgressAllow } from '../../src/config/egress-allow.ts';
import { createHttpEffect, type HttpEffect } from '../../src/effects/http/effect.ts';
import { createEgressGuard } from '../../src/effects/http/egress-guard.ts';
import { lookUpName } from '../../src/effects/http/name-resolver.ts';
import { FileRoot } from '../../src/files/file-root.ts';
import { until } from '../support/condition.ts';
import { answerOf, contextOf, failureOf, httpArguments, httpClientConfig, send } from './calls.ts';

const mebibyte = 1024 * 1024;

interface Scene extends AsyncDisposable {
  effect: HttpEffect;
  url: string;
  /** Of the workflow `orders`. */
  own: string;
  temporary(): string[];
}

async function scene(answer: RequestListener): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'nflow-save-'));
  const files = new FileRoot(folder, {
    root: null,
    sharedWorkflows: [],
    workflowBytesMax: 40 * mebibyte,
    workflowFilesMax: 10,
    sharedBytesMax: mebibyte,
    sharedFilesMax: 10,
  });
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const guard = createEgressGuard(parseEgressAllow(['127.0.0.0/8']), lookUpName);
  const effect = createHttpEffect({ ...httpClientConfig, responseSizeMax: mebibyte }, guard, new Map(), files);
  return {
    effect,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    own: join(folder, 'workflows', 'orders'),
    temporary: () => readdirSync(join(folder, 'temporary')),
    async [Symbol.asyncDispose]() {
      effect.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await files.close();
      await rm(folder, { recursive: true });
    },
  };
}

test('an answer larger than what memory takes goes into a file', async () => {
  const piece = Buffer.alloc(mebibyte, 'x');
  await using target = await scene((_req, res) => {
    for (let index = 0; index < 20; index++) res.write(piece);
    res.end();
  });
  const result = await send(target.effect, { url: target.url, saveTo: 'in/big' });
  const sha256 = createHash('sha256')
    .update(Buffer.alloc(20 * mebibyte, 'x'))
    .digest('hex');
  assert.deepEqual(JSON.parse(answerOf(result).bodyText), { path: 'in/big', size: 20 * mebibyte, sha256 });
  assert.equal(readFileSync(join(target.own, 'in', 'big')).length, 20 * mebibyte);
  assert.equal(target.effect.isSafe(httpArguments({ url: target.url, saveTo: 'a' })), false);
  assert.equal(target.effect.isSafe(httpArguments({ url: target.url })), true);
});

test('an answer that says no stays an answer, and an empty one is an empty file', async () => {
  await using target = await scene((req, res) => {
    res.statusCode = req.url === '/no' ? 404 : 200;
    res.end(req.url === '/no' ? 'nothing' : '');
  });
  const refused = answerOf(await send(target.effect, { url: `${target.url}no`, saveTo: 'a' }));
  assert.deepEqual([refused.status, refused.bodyText], [404, 'nothing']);
  assert.equal(existsSync(join(target.own, 'a')), false);
  const empty = answerOf(await send(target.effect, { url: target.url, saveTo: 'a' }));
  assert.equal(JSON.parse(empty.bodyText).size, 0);
});

test('what is too large, breaks off, takes too long or is no path leaves nothing behind', async () => {
  await using target = await scene((req, res) => {
    res.write(Buffer.alloc(100_000));
    if (req.url === '/breaks') setTimeout(() => res.destroy(), 50);
    else if (req.url === '/huge') for (let index = 0; index < 50; index++) res.write(Buffer.alloc(mebibyte));
    else if (req.url === '/large') res.end();
  });
  const reasonOf = async (path: string, call: object): Promise<string> =>
    failureOf(await send(target.effect, { url: `${target.url}${path}`, ...call })).reason;
  assert.equal(await reasonOf('large', { saveTo: { path: 'a', maxSize: 1000 } }), 'too_large');
  assert.equal(await reasonOf('huge', { saveTo: 'a' }), 'quota_exceeded');
  assert.equal(await reasonOf('breaks', { saveTo: 'a' }), 'protocol');
  assert.equal(await reasonOf('hangs', { saveTo: 'a', timeoutMs: 300 }), 'timeout');
  const ending = new AbortController();
  const aborted = send(target.effect, { url: `${target.url}hangs`, saveTo: 'a' }, contextOf(ending.signal));
  await until('it is being written', () => target.temporary().length === 1);
  ending.abort();
  assert.equal(failureOf(await aborted).reason, 'aborted');
  for (const saveTo of ['../a', '/a', 7, { path: 'a', maxSize: -1 }]) {
    assert.equal(await reasonOf('large', { saveTo }), 'invalid_request');
  }
  await until('nothing is left', () => target.temporary().length === 0);
  assert.equal(existsSync(join(target.own, 'a')), false);
});
