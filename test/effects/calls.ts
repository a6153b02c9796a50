import assert from 'node:assert/strict';
import type { Config } from '../../src/config/config.ts';
import { parseEgressAllow } from '../../src/config/egress-allow.ts';
import { createHttpEffect, type HttpEffect } from '../../src/effects/http/effect.ts';
import { createEgressGuard } from '../../src/effects/http/egress-guard.ts';
import { lookUpName, type ResolveName } from '../../src/effects/http/name-resolver.ts';
import { readTlsProfiles } from '../../src/effects/http/tls-profiles.ts';
import type { EffectContext, EffectKind, EffectResult } from '../../src/effects/port.ts';

export const httpClientConfig: Config['httpClient'] = {
  maxIdleConns: 100,
  maxIdleConnsPerHost: 10,
  idleConnTimeoutMs: 90_000,
  timeoutMs: 30_000,
  maxConnsPerHost: 0,
  connectTimeoutMs: 10_000,
  responseSizeMax: 10 * 1024 * 1024,
  proxy: null,
};

export interface HttpEffectOptions extends Partial<Config['httpClient']> {
  allow?: string[];
  resolve?: ResolveName;
  tls?: Config['tls'];
}

/** The effect as the server builds it, loopback allowed; disposing it closes its connections. */
export function httpEffect(options: HttpEffectOptions = {}): HttpEffect & Disposable {
  const { allow = ['127.0.0.0/8'], resolve = lookUpName, tls = {}, ...limits } = options;
  const guard = createEgressGuard(parseEgressAllow(allow), resolve);
  const effect = createHttpEffect({ ...httpClientConfig, ...limits }, guard, readTlsProfiles(tls));
  return Object.assign(effect, { [Symbol.dispose]: () => effect.close() });
}

export function contextOf(signal: AbortSignal = new AbortController().signal): EffectContext {
  return {
    executionId: '01990000-0000-7000-8000-000000000001',
    workflow: 'orders',
    idempotencyKey: 'key-1',
    isFirstSending: true,
    signal,
  };
}

/** Arguments of the http effect; what is not given is what the kernel sends for a plain GET. */
export function httpArguments(call: Record<string, unknown>): string {
  return JSON.stringify({
    method: 'GET',
    headers: {},
    query: null,
    body: null,
    bodyKind: null,
    timeoutMs: null,
    redirect: 'follow',
    ...call,
  });
}

export function send(effect: EffectKind, call: Record<string, unknown>, context = contextOf()): Promise<EffectResult> {
  return effect.perform({ kind: 'http', argumentsJson: httpArguments(call) }, context);
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  bodyKind: string;
  bodyText: string;
}

export function answerOf(result: EffectResult): Answer {
  assert.equal(result.ok, true, `expected an answer, got ${result.json.slice(0, 500)}`);
  return JSON.parse(result.json);
}

export interface Failure {
  code: string;
  message: string;
  reason: string;
  retryable: boolean;
}

export function failureOf(result: EffectResult): Failure {
  assert.equal(result.ok, false, `expected a failure, got ${result.json.slice(0, 500)}`);
  return JSON.parse(result.json);
}
