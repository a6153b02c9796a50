/** From a request to the input of an execution, as JSON text: nothing is parsed that the workflow may not even look at. */
import { isUtf8 } from 'node:buffer';
import type { Config } from '../config/config.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import { cookiesToJson } from './cookies.ts';
import { CorsPolicy } from './cors.ts';
import { exceedsJsonDepth } from './json-depth.ts';
import type { BodyKind } from './media-type.ts';
import { type Problem, refusal } from './problem.ts';
import { urlEncodedFieldsMax, urlEncodedToJson } from './url-encoded.ts';

/** An encoded body must fit a frame to a runner with room to spare: base64 adds a third, a text of control characters five times. */
const encodedBodySizeMax = 64 * 1024 * 1024;

export interface TriggerRequest {
  method: string;
  /** As it arrived, percent-encoded. */
  path: string;
  /** After the question mark; empty when there is none. */
  query: string;
  params: Readonly<Record<string, string>>;
  /** By lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Null when nothing was sent. */
  body: Buffer | null;
  bodyKind: BodyKind;
}

export interface TriggerInput {
  /** JSON text of the input; without its `body` when `body` is given. */
  inputJson: string;
  /** JSON text of `input.body`. */
  body: Buffer | null;
}

export interface InputLimits {
  jsonDepthMax: number;
}

/** The plans of all triggers that were asked for. With the limits goes what `[cors]` says. */
export class InputPlans {
  readonly #limits: InputLimits;
  readonly #cors: Config['cors'];
  readonly #plans = new WeakMap<HttpTrigger, InputPlan>();

  constructor(limits: InputLimits, cors: Config['cors']) {
    this.#limits = limits;
    this.#cors = cors;
  }

  of(trigger: HttpTrigger): InputPlan {
    let plan = this.#plans.get(trigger);
    if (plan === undefined) {
      plan = new InputPlan(trigger, this.#limits, CorsPolicy.of(trigger, this.#cors));
      this.#plans.set(trigger, plan);
    }
    return plan;
  }
}

/** What an HTTP trigger needs to build inputs, worked out once. */
export class InputPlan {
  /** Null where no page of another origin may read the answers. */
  readonly cors: CorsPolicy | null;
  readonly #trigger: HttpTrigger;
  readonly #limits: InputLimits;
  readonly #headers: readonly { name: string; key: string }[];
  /** The text up to the query, for requests at exactly the trigger's path. */
  readonly #staticHead: string;

  constructor(trigger: HttpTrigger, limits: InputLimits, cors: CorsPolicy | null) {
    this.cors = cors;
    this.#trigger = trigger;
    this.#limits = limits;
    this.#headers = trigger.headers.map((name) => ({ name, key: `${JSON.stringify(name)}:` }));
    this.#staticHead = headOf(trigger.method, trigger.path, '{}');
  }

  /** The input, or why the request cannot be one. */
  build(request: TriggerRequest): TriggerInput | Problem {
    const trigger = this.#trigger;
    const body = request.body === null ? null : encodeBody(request.body, request.bodyKind, this.#limits);
    if (body !== null && 'code' in body) return body;
    const queryJson = request.query === '' ? '{}' : urlEncodedToJson(request.query);
    if (queryJson === null)
      return refusal('invalid_input', 'The query has a percent sign without two hex digits of UTF-8 after it.');
    if (queryJson === 'too-many')
      return refusal('invalid_input', `The query has more than ${urlEncodedFieldsMax} fields.`);

    const isStatic = request.path === trigger.path && request.method === trigger.method;
    let inputJson = isStatic ? this.#staticHead : headOf(request.method, request.path, JSON.stringify(request.params));
    inputJson += `${queryJson},"headers":${this.#headersJson(request.headers)},"cookies":${
      trigger.cookies.length === 0 ? '{}' : cookiesToJson(request.headers.cookie as string | undefined, trigger.cookies)
    }`;
    if (body?.isBase64) inputJson += ',"bodyEncoding":"base64"';
    if (trigger.rawBody) inputJson += `,"rawBody":${rawBodyJson(request.body)}`;
    return body === null
      ? { inputJson: `${inputJson},"body":null}`, body: null }
      : { inputJson: `${inputJson}}`, body: body.json };
  }

  #headersJson(headers: TriggerRequest['headers']): string {
    let json = '';
    for (const { name, key } of this.#headers) {
      const value = headers[name];
      // Not a string: absent, or a name such as `constructor` that every object has.
      if (typeof value !== 'string') continue;
      json += (json === '' ? '{' : ',') + key + JSON.stringify(value);
    }
    return json === '' ? '{}' : `${json}}`;
  }
}

function headOf(method: string, path: string, paramsJson: string): string {
  return `{"method":"${method}","path":${JSON.stringify(path)},"params":${paramsJson},"query":`;
}

/** The exact bytes for whoever checks a signature over them: as text when they are text, else as base64. */
function rawBodyJson(body: Buffer | null): string {
  if (body === null) return '""';
  return isUtf8(body) ? JSON.stringify(body.toString('utf8')) : `"${body.toString('base64')}"`;
}

function encodeBody(body: Buffer, kind: BodyKind, limits: InputLimits): { json: Buffer; isBase64: boolean } | Problem {
  if (kind === 'binary') return fitting(Buffer.from(`"${body.toString('base64')}"`, 'latin1'), true);
  if (!isUtf8(body)) return refusal('bad_body', 'The body is not UTF-8.');
  if (kind === 'json') {
    // RFC 8259 lets a reader skip a byte order mark; JSON.parse does not.
    const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
    const json = hasMark ? body.subarray(3) : body;
    if (exceedsJsonDepth(json, limits.jsonDepthMax)) {
      return refusal(
        'bad_body',
        `The JSON body nests deeper than ${limits.jsonDepthMax} levels, the limit of this server.`,
      );
    }
    return { json, isBase64: false };
  }
  const text = body.toString('utf8');
  if (kind === 'text') return fitting(Buffer.from(JSON.stringify(text)), false);
  const json = urlEncodedToJson(text);
  if (json === null)
    return refusal('bad_body', 'The form has a percent sign without two hex digits of UTF-8 after it.');
  if (json === 'too-many') return refusal('bad_body', `The form has more than ${urlEncodedFieldsMax} fields.`);
  return fitting(Buffer.from(json), false);
}

function fitting(json: Buffer, isBase64: boolean): { json: Buffer; isBase64: boolean } | Problem {
  if (json.length <= encodedBodySizeMax) return { json, isBase64 };
  const detail = `Written as JSON the body has ${json.length} bytes; at most ${encodedBodySizeMax} are accepted.`;
  return refusal('body_too_large', detail);
}
