import { corsCredentialsExpected, corsDefaults } from '../config/cors.ts';
import { parseDuration } from '../config/duration.ts';
import type { HttpTrigger, ManualTrigger } from './compiled.ts';
import { type TriggerDefinition, triggerSchemas } from './definition.ts';
import type { FindingList } from './findings.ts';
import { isHeaderName } from './http-fields.ts';
import { notAvailable } from './not-available.ts';
import { isJsonObject, type JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';
import { readTyped } from './shape.ts';
import { parseTriggerPath, routeKey, trimPath } from './trigger-path.ts';

const uploadFilesDefault = 10;

type Trigger = HttpTrigger | ManualTrigger;

/** A trigger and where it is written. */
export interface PlacedTrigger {
  trigger: Trigger;
  pointer: string;
}

/** What `input.headers` shows when a trigger names no headers. Tokens do not belong into the history. */
export const defaultHeaders: readonly string[] = [
  'content-type',
  'accept',
  'user-agent',
  'idempotency-key',
  'x-request-id',
  'traceparent',
];

/** The triggers of a workflow; one without `triggers` is started by hand. */
export function readTriggers(value: JsonValue | undefined, findings: FindingList): PlacedTrigger[] {
  if (!Array.isArray(value)) return [{ trigger: { type: 'manual' }, pointer: '' }];
  const triggers: PlacedTrigger[] = [];
  const seen = new Map<string, string>();
  for (const [index, item] of value.entries()) {
    const pointer = childPointer('/triggers', index);
    const definition = readTrigger(item, pointer, findings);
    if (definition === null) {
      // Its path can be wrong as well.
      if (isJsonObject(item) && typeof item.path === 'string') checkPath(item.path, pointer, findings);
      continue;
    }
    const trigger = definition.type === 'http' ? readHttpTrigger(definition, pointer, findings) : definition;
    if (trigger === null) continue;
    const route = routeOf(trigger);
    const first = seen.get(route);
    if (first === undefined) {
      seen.set(route, pointer);
      triggers.push({ trigger, pointer });
    } else {
      const message = `Two triggers answer to the same: see ${first}. Names of parameters do not tell paths apart.`;
      findings.add({
        pointer,
        code: 'duplicate-route',
        got: trigger.type === 'http' ? `${trigger.method} ${trigger.path}` : 'manual',
        expected: 'each route once',
        message,
      });
    }
  }
  return triggers;
}

function routeOf(trigger: Trigger): string {
  if (trigger.type === 'manual') return 'manual';
  const parsed = parseTriggerPath(trigger.path);
  return `${trigger.method} ${'segments' in parsed ? routeKey(parsed.segments) : trigger.path}`;
}

function readTrigger(value: JsonValue, pointer: string, findings: FindingList): TriggerDefinition | null {
  const { triggerTypes, triggerKeys } = notAvailable;
  return readTyped(
    {
      schemas: triggerSchemas,
      value,
      pointer,
      noun: 'trigger',
      notAvailableTypes: triggerTypes,
      notAvailableKeys: () => triggerKeys,
    },
    findings,
  );
}

function readHttpTrigger(
  definition: Extract<TriggerDefinition, { type: 'http' }>,
  pointer: string,
  findings: FindingList,
): HttpTrigger | null {
  const isPath = checkPath(definition.path, pointer, findings);
  for (const [index, name] of (definition.headers ?? []).entries()) {
    const refuse = (expected: string, message: string): void =>
      findings.add({
        pointer: `${pointer}/headers/${index}`,
        code: 'bad-header',
        got: JSON.stringify(name),
        expected,
        message,
      });
    if (!isHeaderName(name)) refuse('the name of a request header', 'It is no name of a header.');
    else if (/^cookie$/i.test(name)) refuse('another header', 'Cookies are named one by one, in "cookies".');
  }
  for (const [index, name] of (definition.cookies ?? []).entries()) {
    const refuse = (expected: string, message: string): void =>
      findings.add({
        pointer: `${pointer}/cookies/${index}`,
        code: 'bad-cookie',
        got: JSON.stringify(name),
        expected,
        message,
      });
    if (!isHeaderName(name)) refuse('the name of a cookie', 'It is no name of a cookie.');
    else if (/^nflow_/i.test(name))
      refuse('another cookie', 'Cookies that begin with "nflow_" belong to nFlow itself.');
  }
  if (!isPath) return null;
  return {
    type: 'http',
    method: definition.method,
    path: trimPath(definition.path),
    headers: definition.headers?.map((name) => name.toLowerCase()) ?? [...defaultHeaders],
    cookies: definition.cookies ?? [],
    rawBody: definition.rawBody ?? false,
    sandboxHtml: definition.sandboxHtml ?? true,
    cors: readCors(definition.cors, pointer, findings),
    ...readUploads(definition, pointer, findings),
  };
}

function readUploads(
  { uploads, method, rawBody }: Extract<TriggerDefinition, { type: 'http' }>,
  pointer: string,
  findings: FindingList,
): Pick<HttpTrigger, 'uploads'> {
  if (uploads === undefined) return {};
  const refuse = (got: string, expected: string, message: string): void =>
    findings.add({ pointer: `${pointer}/uploads`, at: 'key', code: 'bad-value', got, expected, message });
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') {
    refuse(method, 'POST, PUT, PATCH or DELETE', `A ${method} request has no body, and so no files.`);
  }
  if (rawBody === true) {
    refuse('"rawBody": true', 'one of them', 'Files go to the disk piece by piece: there is no raw body to keep.');
  }
  return { uploads: { sizeMax: uploads.maxSize, filesMax: uploads.maxFiles ?? uploadFilesDefault } };
}

function readCors(
  cors: Extract<TriggerDefinition, { type: 'http' }>['cors'],
  triggerPointer: string,
  findings: FindingList,
): HttpTrigger['cors'] {
  if (cors === undefined) return 'configured';
  if (cors === false) return 'none';
  const { origins, headers = [...corsDefaults.headers], exposedHeaders = [], credentials = false, maxAge } = cors;
  if (credentials && origins.includes('*')) {
    findings.add({
      pointer: `${triggerPointer}/cors/credentials`,
      code: 'bad-value',
      got: 'true',
      expected: corsCredentialsExpected,
      message: 'A page of any origin cannot be let in with the cookies of whoever looks at it.',
    });
  }
  const maxAgeMs = maxAge === undefined ? corsDefaults.maxAgeMs : (parseDuration(maxAge) as number);
  return { origins, headers, exposedHeaders, credentials, maxAgeMs };
}

function checkPath(path: string, triggerPointer: string, findings: FindingList): boolean {
  const parsed = parseTriggerPath(path);
  if ('segments' in parsed) return true;
  const { index, ...problem } = parsed.problem;
  findings.add({ pointer: childPointer(triggerPointer, 'path'), at: { index }, code: 'bad-path', ...problem });
  return false;
}
