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
export function defineWorkflow<const Path extends string, const Name extends string>(
  definition: Workflow<Path, Name>,
): Workflow<Path, Name>;

/** A workflow, format 1: `Path` are those of its triggers, `Name` those of its nodes. */
export interface Workflow<Path extends string = string, Name extends string = string> {
  format: 1;
  /** A lower-case letter, then up to 62 of a-z 0-9 -. */
  name: string;
  description?: string;
  /** What starts it. Without any it is started by hand only: `nflow run`. */
  triggers?: readonly Trigger<Path>[];
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
  nodes: Readonly<Record<Name, Node<Path, Name>>>;
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

export type Trigger<Path extends string = string> = HttpTrigger<Path> | ManualTrigger;

export interface HttpTrigger<Path extends string = string> {
  type: 'http';
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Such as `/api/orders/:id`; `*` at the end matches the rest. */
  path: Path;
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
  /** Takes multipart bodies: the files go to the workflow's folder. Bytes of all files, and how many. */
  uploads?: { maxSize: number; maxFiles?: number };
}

export interface ManualTrigger {
  type: 'manual';
}

export type Node<Path extends string = string, Name extends string = string> =
  | CodeNode<Path, Name>
  | IfNode
  | SwitchNode
  | SetNode
  | HttpNode
  | CryptoNode
  | MailNode
  | CacheNode
  | FileNode
  | SqlNode
  | RespondNode
  | FailNode
  | EndNode;

/** Runs code; its output is what the code returns, as JSON. */
export interface CodeNode<Path extends string = string, Name extends string = string> {
  type: 'code';
  /**
   * A function, which runs alone: it uses its parameters, what it declares and globals, and nothing else of the file. Or the body of
   * such a function as a text, or in a file of its own.
   */
  code: CodeFunction<Path, Name> | string | { readonly file: string };
  next?: string;
  onError?: string;
}

/** Each step gets a copy of its own of every value. What it returns becomes JSON. */
export type CodeFunction<Path extends string = string, Name extends string = string> = (
  input: Input<Path>,
  ctx: Context,
  nodes: Outputs<Name>,
  prev: Json,
  error: StepError,
) => unknown;

/** Why the step has failed whose `onError` has led here; undefined in every other step. */
export interface StepError {
  /** Such as `node_failed` or `effect_failed`. */
  readonly code: string;
  readonly message: string;
  /** The node that has failed. */
  readonly node: string;
  /** What an effect says of it, such as `timeout`; or what the code that threw has put there. */
  readonly reason: string | number | boolean | null;
  /** Of an answer over HTTP, or of a mail server. */
  readonly status: number | string | boolean | null;
  /** How often the effect was tried. */
  readonly attempts: number;
}

/** Goes on with `then` or with `else`; the run ends where that is not given. Its output is the boolean. */
export interface IfNode {
  type: 'if';
  condition: Expression;
  then?: string;
  else?: string;
  onError?: string;
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
  onError?: string;
}

/** Its output is the object. */
export interface SetNode {
  type: 'set';
  values: { readonly [key: string]: Template };
  next?: string;
  onError?: string;
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
  /** Where it goes on when it has failed, after all attempts; without it the run fails. */
  onError?: string;
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

/** Queries PostgreSQL. Its output is `{ rows, rowCount }`, of `statements` `{ results }`, of a page `{ rows, rowCount, nextCursor }`. */
export interface SqlNode extends EffectNode {
  type: 'sql';
  /** Of `[datasources]`. Default `main`. */
  datasource?: string;
  /** One statement, with `$1`, `$2`, … for the values. Its text is fixed. */
  sql?: string;
  params?: Template;
  /** Instead of `sql`: several in one transaction. */
  statements?: readonly { sql: string; params?: Template }[];
  /** Runs in a READ ONLY transaction. Default: true for what looks as if it only reads. */
  readOnly?: boolean;
  /** False: a call that is repeated may take effect again. */
  exactlyOnce?: boolean;
  /** One page, in the order of columns that together are unique and never null. */
  page?: { by: readonly string[]; size: Template; descending?: boolean; after?: Template };
}

export type DigestAlgorithm = 'sha256' | 'sha384' | 'sha512' | 'sha1';
export type DigestEncoding = 'hex' | 'base64' | 'base64url';
export type JwtAlgorithm = 'HS256' | 'HS384' | 'HS512' | 'RS256' | 'ES256';

/** Values that the workflow keeps for a while. Its output is the value of `get`, or null. */
export interface CacheNode extends EffectNode {
  type: 'cache';
  operation: 'get' | 'set' | 'delete';
  key: Template;
  value?: Template;
  ttl?: Duration;
}

/** Files that the workflow keeps, within its own folder. */
export interface FileNode extends EffectNode {
  type: 'file';
  operation: 'read' | 'write' | 'append' | 'list' | 'stat' | 'delete';
  path?: Template;
  area?: FileArea;
  data?: Template;
  encoding?: FileEncoding;
  overwrite?: boolean;
  offset?: Template;
  length?: Template;
  after?: Template;
  limit?: Template;
}

/** `shared` is the folder of the workflows in `[files] shared_workflows`; default `own`. */
export type FileArea = 'own' | 'shared';
export type FileEncoding = 'text' | 'base64' | 'latin1';

/** Hands a mail to the mail server of `[mail]`. Its output is `{ messageId, accepted, rejected, response }`. */
export interface MailNode extends EffectNode {
  type: 'mail';
  to: Template;
  cc?: Template;
  bcc?: Template;
  from?: Template;
  replyTo?: Template;
  subject: Template;
  text?: Template;
  html?: Template;
  attachments?: Template;
  headers?: Template;
}

/** An HTTP call. Its output is `{ status, headers, body }`; 4xx and 5xx end the run as `effect_failed`. */
export interface HttpNode extends EffectNode {
  type: 'http';
  method?: string;
  url: string;
  headers?: Template;
  query?: Template;
  /** How the call proves who it is; its texts may be secrets. */
  auth?: HttpAuth | string;
  body?: Template;
  /** Instead of `body`: fields of a form. */
  form?: Template;
  /** Instead of `body`: parts of `multipart/form-data`. */
  multipart?: Template;
  /** TLS settings of the configuration: the NAME of `[tls.NAME]`. */
  tls?: string;
  /** The body of an answer below 300 goes into this file, and `body` is `{ path, size, sha256 }`. */
  saveTo?: Template;
}

/** The gateway makes a header or a parameter of it. */
export type HttpAuth =
  | { type: 'bearer'; token: string }
  | { type: 'basic'; username: string; password: string }
  | { type: 'apiKey'; value: string; header: string }
  | { type: 'apiKey'; value: string; query: string };

/** One field of a form: text or JSON, or bytes as base64. */
export type MultipartPart = { name: string; filename?: string; contentType?: string } & (
  | { value: Json }
  | { base64: string }
);

/** Answers, and ends the run. */
export interface RespondNode {
  type: 'respond';
  /** Default: 200. */
  status?: Template;
  headers?: Template;
  body?: Template;
  /** Answers with this file instead of a body. */
  file?: Template;
  area?: FileArea;
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
export interface Input<Path extends string = string> {
  method: string;
  path: string;
  /** Of the path. */
  params: Readonly<Record<ParameterOf<Path>, string>>;
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
export type Outputs<Name extends string = string> = Readonly<Record<Name, Json>>;

/** Names of the parameters in a path: of `/api/orders/:id`, `id`. */
export type ParameterOf<Path extends string> = string extends Path
  ? string
  : Path extends `${string}:${infer Parameter}/${infer Rest}`
    ? Parameter | ParameterOf<`/${Rest}`>
    : Path extends `${string}:${infer Parameter}`
      ? Parameter
      : Path extends `${string}*`
        ? '*'
        : never;

/** What a step can do beside computing. What waits is an effect: it is recorded, and not repeated once that is committed. */
export interface Context {
  readonly http: Http;
  readonly crypto: Crypto;
  /** A database: one of `[datasources]`, default `main`. */
  sql(datasource?: string): Sql;
  readonly mail: Mail;
  readonly cache: Cache;
  readonly file: Files;
  /**
   * A text that stands for a secret: in an address, a header, `auth` or a body of a call the gateway puts the value in its place.
   * Code never sees the value.
   */
  secretRef(name: string): string;
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

/** Paths are within the workflow's folder: `reports/2026.csv`. Folders are made with their first file, and go with the last. */
export interface Files {
  /** At most 8 MiB at a time. Fails with `reason: 'not_found'` when there is no such file. */
  read(
    path: string,
    options?: FileOptions & { encoding?: FileEncoding; offset?: number; length?: number },
  ): Promise<string>;
  /** The whole file, at once: nobody sees a part of it. A text as it is, anything else as JSON. */
  write(
    path: string,
    data: unknown,
    options?: FileOptions & { encoding?: FileEncoding; overwrite?: boolean },
  ): Promise<WrittenFile>;
  /** After a crash it may be repeated: say `atMostOnce` where that matters. */
  append(
    path: string,
    data: unknown,
    options?: FileOptions & { encoding?: FileEncoding },
  ): Promise<{ path: string; size: number }>;
  list(
    folder?: string,
    options?: FileOptions & { after?: string; limit?: number },
  ): Promise<{ entries: FileEntry[]; next: string | null }>;
  /** Null when there is nothing. */
  stat(path: string, options?: FileOptions): Promise<(FileEntry & { version: string }) | null>;
  /** Whether there was a file. */
  delete(path: string, options?: FileOptions): Promise<boolean>;
  /** The rows of a big file, read piece by piece. */
  rows<Row = Record<string, string>>(path: string, options?: RowsOptions & { batch?: undefined }): Rows<Row>;
  /** The same, up to `batch` rows at a time. */
  rows<Row = Record<string, string>>(path: string, options: RowsOptions & { batch: number }): Rows<Row[]>;
}

export interface FileOptions extends CallOptions {
  area?: FileArea;
}

export interface Rows<Item> extends AsyncIterableIterator<Item> {
  /** How far the reading has come, in bytes of the file. */
  readonly progress: { bytes: number; size: number };
}

export interface RowsOptions extends FileOptions {
  /** Default: csv. */
  format?: 'csv' | 'jsonl';
  /** Of CSV: true (the default) takes names from the first row, a list gives them, false gives rows as arrays. */
  header?: boolean | string[];
  /** Default: a comma. */
  delimiter?: string;
  encoding?: 'text' | 'latin1';
  /** Bytes read at a time; default 512 KiB. */
  batchBytes?: number;
}

export interface WrittenFile {
  path: string;
  size: number;
  /** Hex. */
  sha256: string;
}

export interface FileEntry {
  path: string;
  name: string;
  type: 'file' | 'folder';
  size: number;
  modifiedAt: string;
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

/** A value of `$1`, `$2`, …: an array is one of PostgreSQL's, an object JSON. */
export type SqlValue = Json;

export interface SqlResult<Row = Record<string, Json>> {
  /** bigint and numeric are texts, times RFC 3339, bytea is base64. */
  rows: Row[];
  /** Rows that came, or were changed. */
  rowCount: number;
}

export interface SqlPage<Row = Record<string, Json>> extends SqlResult<Row> {
  /** For the next page; null when there is none. */
  nextCursor: string | null;
}

export interface SqlOptions extends CallOptions {
  /** Runs in a READ ONLY transaction. Default: true for what looks as if it only reads. */
  readOnly?: boolean;
  /** False: a call that is repeated may take effect again. */
  exactlyOnce?: boolean;
}

export interface SqlPageOptions extends CallOptions {
  /** Columns of the result that together are unique and never null: the order of the rows. */
  by: readonly string[];
  /** Rows of a page. Default 1000. */
  size?: number;
  descending?: boolean;
  /** A `nextCursor` to go on from. */
  after?: string | null;
}

export interface Sql {
  query<Row = Record<string, Json>>(
    sql: string,
    params?: readonly SqlValue[],
    options?: SqlOptions,
  ): Promise<SqlResult<Row>>;
  /** All take effect, or none. */
  transaction(
    statements: readonly { sql: string; params?: readonly SqlValue[] }[],
    options?: SqlOptions,
  ): Promise<{ results: SqlResult[] }>;
  /** One effect a page: `for await (const page of ctx.sql().pages(…))`. */
  pages<Row = Record<string, Json>>(
    sql: string,
    params: readonly SqlValue[],
    options: SqlPageOptions,
  ): AsyncIterableIterator<SqlPage<Row>>;
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

/** Values that the workflow keeps for a while: gone when there is no room, when they are too old, or when a server starts anew. */
export interface Cache {
  /** Null when there is none. */
  get(key: string, options?: CallOptions): Promise<Json>;
  /** `ttl`: as long is it kept at most. Default: as configured, 5m. */
  set(key: string, value: unknown, ttl?: Duration | number | null, options?: CallOptions): Promise<void>;
  delete(key: string, options?: CallOptions): Promise<void>;
  /**
   * The value under that key; when there is none, what `make` gives, which is kept then. Of all that ask for one key at a time, one
   * makes it, and the others wait for it: 30s at most, or `timeout`.
   */
  wrap<Value>(
    key: string,
    ttl: Duration | number | null,
    make: () => Value | Promise<Value>,
    options?: { timeout?: Duration | number },
  ): Promise<Value>;
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

/** Mail, by the mail server of `[mail]`. */
export interface Mail {
  send(message: MailMessage): Promise<SentMail>;
}

export interface MailMessage extends CallOptions {
  /** Addresses such as `ana@example.com` or `Ana <ana@example.com>`. */
  to: string | readonly string[];
  cc?: string | readonly string[];
  bcc?: string | readonly string[];
  /** Default: `[mail] from`. */
  from?: string;
  replyTo?: string | readonly string[];
  subject: string;
  /** One of `text` and `html`, or both. */
  text?: string;
  html?: string;
  attachments?: readonly {
    name: string;
    /** A media type; default: what the name says. */
    type?: string;
    content: string;
    /** Of `content`. Default: `base64`. */
    encoding?: 'base64' | 'text';
  }[];
  headers?: Readonly<Record<string, string>>;
}

export interface SentMail {
  /** The same when a call is repeated. */
  messageId: string;
  accepted: string[];
  /** Refused while others were accepted. */
  rejected: string[];
  response: string;
}

export interface HttpOptions extends CallOptions {
  headers?: Record<string, string | number | string[]>;
  query?: Record<string, string | number | boolean | string[]>;
  auth?: HttpAuth;
  /** Instead of a body: fields of a form. An array repeats the name. */
  form?: Record<string, string | number | boolean | null | readonly (string | number | boolean)[]>;
  /** Instead of a body: parts of `multipart/form-data`. */
  multipart?: readonly MultipartPart[];
  /** TLS settings of the configuration: the NAME of `[tls.NAME]`. */
  tls?: string;
  /** The body of an answer below 300 goes into this file, and `body` is `{ path, size, sha256 }`. */
  saveTo?: string | { path: string; maxSize?: number };
  /** `manual`: a redirect is the answer. Default: it is followed. */
  redirect?: 'follow' | 'manual';
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string | string[]>;
  /** JSON as its value, text as a string. */
  body: Json;
}
