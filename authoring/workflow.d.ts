/**
 * What an editor knows of a workflow file:
 *
 *     import { defineWorkflow } from '@nflow-engine/nflow/workflow';
 *
 *     export default defineWorkflow({
 *       format: 1,
 *       name: 'greeting',
 *       triggers: [{ type: 'http', method: 'GET', path: '/api/greeting/:name' }],
 *       nodes: {
 *         greet: { type: 'code', code: (input) => ({ text: `Hello, ${input.params.name}!` }) },
 *       },
 *     });
 */

/** Returns the definition as it is: it is there for the editor, which checks it and completes it. */
export function defineWorkflow<const Definition extends Workflow>(definition: Definition): Definition;

/** A workflow, format 1. */
export interface Workflow {
  format: 1;
  /** A lower-case letter, then up to 62 of a-z 0-9 -. */
  name: string;
  description?: string;
  /** What starts it. Without any it is started by hand only: `nflow run`. */
  triggers?: readonly Trigger[];
  /**
   * `durable` (the default): nothing is answered before it is committed, and a crash does not lose it. `recorded`: the history is
   * written behind the answer. `ephemeral`: no history.
   */
  durability?: 'durable' | 'recorded' | 'ephemeral';
  /** `shared` (the default): runs follow each other in one realm that keeps nothing of them. `fresh`: a realm for each run. */
  isolation?: 'shared' | 'fresh';
  /** Wall time of a run, such as `30s` (the default), from 1ms to 24h. */
  timeout?: Duration;
  /** Workflows of different groups never share a process. */
  trustGroup?: string;
  /** The steps, by name: a letter or _, then up to 62 of A-Z a-z 0-9 _. */
  nodes: Readonly<Record<string, Node>>;
  /** The node that begins. Default: the first one. */
  start?: string;
  history?: {
    /** A retention class of the configuration. */
    class: string;
  };
  /** Of the designer; it means nothing to a run. */
  layout?: Readonly<Record<string, unknown>>;
}

/** A value of JSON of which only the author knows what it is. */
// biome-ignore lint/suspicious/noExplicitAny: with unknown, each use of an input would have to be checked or cast
export type Json = any;

/** A number with a unit: `200ms`, `30s`, `1h30m`. */
export type Duration = string;

/** JavaScript over `input`, `nodes`, `prev`, `vars` and `execution`, with or without `{{ }}` around it. */
export type Expression = string;

/** JSON whose texts may have `{{ expressions }}` in them. A text that is exactly one keeps the type of its value. */
export type Template = string | number | boolean | null | readonly Template[] | { readonly [key: string]: Template };

export type Trigger = HttpTrigger | ManualTrigger;

export interface HttpTrigger {
  type: 'http';
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Such as `/api/orders/:id`; `*` at the end matches the rest. */
  path: string;
  /** Names of request headers that `input.headers` shows, instead of the usual ones. */
  headers?: readonly string[];
  /** Names of cookies that `input.cookies` shows. Default: none. */
  cookies?: readonly string[];
  /** Whether `input.rawBody` has the body as it came. */
  rawBody?: boolean;
  /** False lets the HTML that is answered do what HTML can do; the default puts it into a sandbox. */
  sandboxHtml?: boolean;
  /** Which pages of other sites may read the answers; false for none. Default: as configured. */
  cors?:
    | {
        origins: readonly string[];
        headers?: readonly string[];
        exposedHeaders?: readonly string[];
        credentials?: boolean;
        maxAge?: Duration;
      }
    | false;
}

export interface ManualTrigger {
  type: 'manual';
}

export type Node = CodeNode | IfNode | SwitchNode | SetNode | HttpNode | CryptoNode | RespondNode | FailNode | EndNode;

/** Runs code; its output is what the code returns, as JSON. */
export interface CodeNode {
  type: 'code';
  /**
   * A function, which runs alone: it uses its parameters, what it declares and globals, and nothing else of the file. Or the body of
   * such a function as a text, or in a file of its own.
   */
  code: CodeFunction | string | { readonly file: string };
  next?: string;
}

/** Each step gets a copy of its own of every value. What it returns becomes JSON. */
export type CodeFunction = (input: Input, ctx: Context, nodes: Outputs, prev: Json) => unknown;

/** Goes on with `then` or with `else`; the run ends where that is not given. Its output is the boolean. */
export interface IfNode {
  type: 'if';
  condition: Expression;
  then?: string;
  else?: string;
}

/** Goes on with the first case that matches. Its output is the index of the case, or -1. */
export interface SwitchNode {
  type: 'switch';
  value?: Expression;
  cases: readonly {
    /** Compared with `value`. */
    equals?: Template;
    /** A condition of its own. */
    when?: Expression;
    next?: string;
  }[];
  default?: string;
}

/** Its output is the object. */
export interface SetNode {
  type: 'set';
  values: { readonly [key: string]: Template };
  next?: string;
}

/** What every node with an effect may say of how it is performed. */
export interface EffectNode {
  /** Of one attempt. Default: 30s. */
  timeout?: Duration;
  /** Repeats what failed and may succeed. */
  retry?: Retry;
  /** Takes the result from the cache; `key` is an expression, the arguments when it is left out. */
  cache?: { ttl?: Duration; key?: Expression };
  /** The key that the call carries on every attempt, instead of one that nFlow derives. */
  idempotencyKey?: Expression;
  /** After a crash it ends as `effect_outcome_unknown` instead of being repeated. Not together with `retry`. */
  atMostOnce?: boolean;
  next?: string;
}

export interface Retry {
  /** All of them, the first one too. Default: 3. */
  attempts?: number;
  /** Default: `exponential`. */
  backoff?: 'fixed' | 'exponential';
  /** Wait before the second attempt. Default: 200ms. */
  initial?: Duration;
  /** What exponential waits grow to. Default: 30s. */
  max?: Duration;
  /** Share of each wait that is left to chance, 0 to 1. Default: 0.2. */
  jitter?: number;
  /** Nothing of earlier attempts is kept; a step with one effect never keeps any. */
  fresh?: boolean;
}

/** Digests, signatures and tokens. Its output is a text, or of a check `{ valid, reason, … }`. */
export interface CryptoNode extends EffectNode {
  type: 'crypto';
  operation: 'hash' | 'hmac' | 'signJwt' | 'verifyJwt' | 'verifyWebhook';
  data?: Template;
  dataEncoding?: 'text' | 'hex' | 'base64' | 'base64url';
  claims?: Template;
  token?: Template;
  scheme?: 'plain' | 'github' | 'stripe' | 'slack' | 'standard';
  payload?: Template;
  headers?: Template;
  signatureHeader?: string;
  key?: Template;
  algorithm?: DigestAlgorithm | JwtAlgorithm;
  algorithms?: readonly JwtAlgorithm[];
  encoding?: DigestEncoding;
  keyId?: Template;
  expiresIn?: Duration;
  issuer?: Template;
  audience?: Template;
  tolerance?: Duration;
}

export type DigestAlgorithm = 'sha256' | 'sha384' | 'sha512' | 'sha1';
export type DigestEncoding = 'hex' | 'base64' | 'base64url';
export type JwtAlgorithm = 'HS256' | 'HS384' | 'HS512' | 'RS256' | 'ES256';

/** An HTTP call. Its output is `{ status, headers, body }`; 4xx and 5xx end the run as `effect_failed`. */
export interface HttpNode extends EffectNode {
  type: 'http';
  method?: string;
  url: string;
  headers?: Template;
  query?: Template;
  body?: Template;
}

/** Answers, and ends the run. */
export interface RespondNode {
  type: 'respond';
  /** Default: 200. */
  status?: Template;
  headers?: Template;
  body?: Template;
}

/** Ends the run as failed, with words that reach the client. */
export interface FailNode {
  type: 'fail';
  code?: string;
  message: string;
  /** 400 to 599; default: 422. */
  status?: Template;
  details?: Template;
}

/** Ends the run; without `output`, with that of the node before. */
export interface EndNode {
  type: 'end';
  output?: Template;
}

/** What a run was started with. Over HTTP it has all of this; by hand it is whatever was given. */
export interface Input {
  method: string;
  path: string;
  /** Of the path. */
  params: Record<string, string>;
  query: Record<string, string | string[]>;
  /** By lower-case names: those that the trigger names. */
  headers: Record<string, string>;
  cookies: Record<string, string>;
  /** JSON as its value, a form as an object, text as a string, else base64 with `bodyEncoding`. */
  body: Json;
  bodyEncoding?: 'base64';
  rawBody?: string;
  [key: string]: Json;
}

/** Output of every node that has run, by name; undefined for the others. */
export type Outputs = Readonly<Record<string, Json>>;

/** What a step can do beside computing. What waits is an effect: it is recorded, and not repeated once that is committed. */
export interface Context {
  readonly http: Http;
  readonly crypto: Crypto;
  /** Waits: milliseconds, or such as `2s`. */
  sleep(duration: Duration | number): Promise<void>;
  /** Into the history of the execution. */
  readonly log: Log;
  /** Milliseconds since the epoch. It stands still between two effects. */
  now(): number;
  /** From 0 up to 1; the same when a step is replayed. */
  random(): number;
  uuid(): string;
  readonly execution: Execution;
}

export interface Execution {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly attempt: number;
}

export interface Log {
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}

/** Calls throw an error with `code: 'effect_failed'` for 4xx and 5xx, with the answer as `response`. */
export interface Http {
  request(options: HttpOptions & { method?: string; url: string; body?: unknown }): Promise<HttpResponse>;
  get(url: string, options?: HttpOptions): Promise<HttpResponse>;
  head(url: string, options?: HttpOptions): Promise<HttpResponse>;
  delete(url: string, options?: HttpOptions & { body?: unknown }): Promise<HttpResponse>;
  post(url: string, body?: unknown, options?: HttpOptions): Promise<HttpResponse>;
  put(url: string, body?: unknown, options?: HttpOptions): Promise<HttpResponse>;
  patch(url: string, body?: unknown, options?: HttpOptions): Promise<HttpResponse>;
}

/** How a call is made, beside what it is. */
export interface CallOptions {
  /** Of one attempt. */
  timeout?: Duration | number;
  retry?: Omit<Retry, 'initial' | 'max' | 'fresh'> & { initial?: Duration | number; max?: Duration | number };
  /** `key`: default the arguments; `{}` for the defaults. */
  cache?: { ttl?: Duration | number; key?: unknown };
  idempotencyKey?: string | number;
  atMostOnce?: boolean;
}

/** Digests, signatures and tokens. */
export interface Crypto {
  hash(data: string, options?: DigestOptions): Promise<string>;
  hmac(data: string, key: string, options?: DigestOptions): Promise<string>;
  signJwt(
    claims: object,
    key: string,
    options?: CallOptions & { algorithm?: JwtAlgorithm; keyId?: string; expiresIn?: Duration | number },
  ): Promise<string>;
  verifyJwt(
    token: string,
    key: string,
    options: CallOptions & {
      /** Those that are accepted. */
      algorithms: readonly JwtAlgorithm[];
      issuer?: string;
      audience?: string;
      /** How far clocks may differ. Default: 0. */
      tolerance?: Duration | number;
    },
  ): Promise<JwtCheck>;
  verifyWebhook(
    check: CallOptions & {
      scheme: 'plain' | 'github' | 'stripe' | 'slack' | 'standard';
      /** The body as it arrived: `input.rawBody`. */
      payload: string;
      headers: Record<string, unknown>;
      key: string;
      /** Of `plain`. */
      signatureHeader?: string;
      algorithm?: DigestAlgorithm;
      encoding?: DigestEncoding;
      /** How old a signature may be. Default: 5m. */
      tolerance?: Duration | number;
    },
  ): Promise<WebhookCheck>;
  /** No effect: the same when a step is replayed. */
  randomBytes(size: number, encoding?: DigestEncoding): string;
}

export interface DigestOptions extends CallOptions {
  /** Default: `sha256`. */
  algorithm?: DigestAlgorithm;
  /** Of the result. Default: `hex`. */
  encoding?: DigestEncoding;
  /** How `data` stands for bytes. Default: `text`, as UTF-8. */
  dataEncoding?: 'text' | 'hex' | 'base64' | 'base64url';
}

export interface JwtCheck {
  valid: boolean;
  /** Null when it is valid. */
  reason: 'malformed' | 'algorithm' | 'signature' | 'expired' | 'not_yet_valid' | 'issuer' | 'audience' | null;
  /** Null when the signature is wrong. */
  header: Record<string, unknown> | null;
  claims: Record<string, Json> | null;
}

export interface WebhookCheck {
  valid: boolean;
  reason: 'missing' | 'malformed' | 'too_old' | 'signature' | null;
}

export interface HttpOptions extends CallOptions {
  headers?: Record<string, string | number | string[]>;
  query?: Record<string, string | number | boolean | string[]>;
  /** `manual`: a redirect is the answer. Default: it is followed. */
  redirect?: 'follow' | 'manual';
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string | string[]>;
  /** JSON as its value, text as a string. */
  body: Json;
}
