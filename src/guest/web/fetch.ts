import type { HostAnswer, WebHost, WebPart } from './web-host.ts';

/** What it takes of the parts before it. */
interface FetchScope {
  URL: new (text: string) => { href: string; username: string; password: string };
  URLSearchParams: new (text: string) => Iterable<[string, string]>;
  Blob: new () => { type: string };
  FormData: new () => { append(name: string, value: string): void };
  bytesOfBlob: (blob: object) => Uint8Array<ArrayBuffer>;
  createBlob: (bytes: Uint8Array<ArrayBuffer>, type: string) => object;
  encodeFormData: (form: object) => { bytes: Uint8Array<ArrayBuffer>; type: string };
  encodeUtf8: (text: string) => Uint8Array<ArrayBuffer>;
  decodeUtf8: (bytes: Uint8Array) => string;
  isSignal: (value: unknown) => value is Signal;
  onAbort: (signal: Signal, algorithm: () => void) => () => void;
}

interface Signal {
  aborted: boolean;
  reason: unknown;
}

/**
 * `fetch` over the effect `http`, with `Headers`, `Request` and `Response` (Fetch, sections 5 and 3), without streams: a body is there
 * as a whole. The egress guard, the size and time limits are those of the effect. Evaluated inside the isolate, see `web-host.ts`.
 */
export function createFetch(host: WebHost, scope: FetchScope): WebPart {
  const { URL, URLSearchParams, Blob, FormData } = scope;
  const { bytesOfBlob, createBlob, encodeFormData, encodeUtf8, decodeUtf8, isSignal, onAbort } = scope;
  const { isView } = ArrayBuffer;
  const { toBase64 } = Uint8Array.prototype;
  const { fromBase64 } = Uint8Array;
  const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

  // ---- Headers -----------------------------------------------------------------------------------------------------------------------

  const headerName = (name: unknown): string => {
    const text = `${name as string}`;
    if (!token.test(text)) throw new TypeError(`"${text.slice(0, 80)}" is not the name of a header`);
    return text.toLowerCase();
  };
  const headerValue = (value: unknown): string => {
    const text = `${value as string}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (/[\0\n\r]|[^\0-\xff]/.test(text))
      throw new TypeError('the value of a header cannot hold line ends or characters above U+00FF');
    return text;
  };

  class Headers {
    /** Lower-case names; the values of each in the order in which they came. */
    readonly #values = new Map<string, string[]>();

    constructor(init?: unknown) {
      if (init === undefined) return;
      if (typeof init !== 'object' || init === null) throw new TypeError('headers are an object, or a list of pairs');
      if ((init as { [Symbol.iterator]?: unknown })[Symbol.iterator] === undefined) {
        const record = init as Record<PropertyKey, unknown>;
        for (const name of Reflect.ownKeys(record)) {
          if (Object.getOwnPropertyDescriptor(record, name)?.enumerable === true) this.append(name, record[name]);
        }
        return;
      }
      for (const pair of init as Iterable<Iterable<unknown>>) {
        const both = [...pair];
        if (both.length !== 2) throw new TypeError('each header is a pair of a name and a value');
        this.append(both[0], both[1]);
      }
    }
    append(name: unknown, value: unknown): void {
      const key = headerName(name);
      const known = this.#values.get(key);
      if (known === undefined) this.#values.set(key, [headerValue(value)]);
      else known.push(headerValue(value));
    }
    set(name: unknown, value: unknown): void {
      this.#values.set(headerName(name), [headerValue(value)]);
    }
    delete(name: unknown): void {
      this.#values.delete(headerName(name));
    }
    get(name: unknown): string | null {
      return this.#values.get(headerName(name))?.join(', ') ?? null;
    }
    has(name: unknown): boolean {
      return this.#values.has(headerName(name));
    }
    getSetCookie(): string[] {
      return [...(this.#values.get('set-cookie') ?? [])];
    }
    forEach(callback: (value: string, name: string, headers: Headers) => void, self?: unknown): void {
      for (const [name, value] of this) callback.call(self, value, name, this);
    }
    *entries(): IterableIterator<[string, string]> {
      for (const name of [...this.#values.keys()].sort()) {
        const values = this.#values.get(name) ?? [];
        if (name === 'set-cookie') for (const value of values) yield [name, value];
        else yield [name, values.join(', ')];
      }
    }
    *keys(): IterableIterator<string> {
      for (const [name] of this) yield name;
    }
    *values(): IterableIterator<string> {
      for (const [, value] of this) yield value;
    }
    [Symbol.iterator](): IterableIterator<[string, string]> {
      return this.entries();
    }
    get [Symbol.toStringTag](): string {
      return 'Headers';
    }
  }

  // ---- bodies ------------------------------------------------------------------------------------------------------------------------

  type Content = string | Uint8Array<ArrayBuffer> | null;

  /** What a body is given as, and the content type that it brings. */
  const extract = (body: unknown): { content: Content; type: string | null } => {
    if (body === null || body === undefined) return { content: null, type: null };
    if (body instanceof FormData) {
      const { bytes, type } = encodeFormData(body);
      return { content: bytes, type };
    }
    if (body instanceof Blob) return { content: bytesOfBlob(body), type: body.type === '' ? null : body.type };
    if (isView(body)) {
      return {
        content: new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.byteLength).slice(),
        type: null,
      };
    }
    if (body instanceof ArrayBuffer) return { content: new Uint8Array(body).slice(), type: null };
    if (body instanceof URLSearchParams) {
      return { content: String(body), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    }
    return { content: `${body as string}`, type: 'text/plain;charset=UTF-8' };
  };

  let contentOf: (body: Body) => Content;

  /** What `Request` and `Response` have in common. */
  class Body {
    static {
      contentOf = (body) => body.#content;
    }
    readonly #content: Content;
    readonly #headers: Headers;
    #isUsed = false;

    constructor(content: Content, headers: Headers) {
      this.#content = content;
      this.#headers = headers;
    }
    get headers(): Headers {
      return this.#headers;
    }
    get bodyUsed(): boolean {
      return this.#isUsed;
    }
    /** There are no streams: null, with or without a body. */
    get body(): null {
      return null;
    }
    #take(): Content {
      if (this.#isUsed) throw new TypeError('the body has been read already; use clone() to read it twice');
      this.#isUsed = this.#content !== null;
      return this.#content;
    }
    #takeBytes(): Uint8Array<ArrayBuffer> {
      const content = this.#take();
      if (content === null) return new Uint8Array(0);
      return typeof content === 'string' ? encodeUtf8(content) : content.slice();
    }
    async text(): Promise<string> {
      const content = this.#take();
      if (content === null) return '';
      return typeof content === 'string' ? content : decodeUtf8(content);
    }
    async json(): Promise<unknown> {
      return JSON.parse(await this.text());
    }
    async bytes(): Promise<Uint8Array> {
      return this.#takeBytes();
    }
    async arrayBuffer(): Promise<ArrayBuffer> {
      return this.#takeBytes().buffer;
    }
    async blob(): Promise<object> {
      return createBlob(this.#takeBytes(), (this.#headers.get('content-type') ?? '').toLowerCase());
    }
    async formData(): Promise<object> {
      const type = this.#headers.get('content-type') ?? '';
      if (!/^application\/x-www-form-urlencoded\b/i.test(type)) {
        throw new TypeError(`formData() reads application/x-www-form-urlencoded; the body is "${type.slice(0, 80)}"`);
      }
      const form = new FormData();
      for (const [name, value] of new URLSearchParams(await this.text())) form.append(name, value);
      return form;
    }
  }

  const assertUnused = (body: Body): void => {
    if (body.bodyUsed) throw new TypeError('the body has been read already: it cannot be cloned');
  };

  // ---- Request -----------------------------------------------------------------------------------------------------------------------

  interface RequestInit {
    method?: unknown;
    headers?: unknown;
    body?: unknown;
    redirect?: unknown;
    signal?: unknown;
  }
  const normalized = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
  const redirects = ['follow', 'error', 'manual'];

  const methodOf = (given: unknown): string => {
    const text = `${given as string}`;
    const upper = text.toUpperCase();
    if (!token.test(text) || ['CONNECT', 'TRACE', 'TRACK'].includes(upper)) {
      throw new TypeError(`fetch cannot use the method "${text.slice(0, 40)}"`);
    }
    return normalized.includes(upper) ? upper : text;
  };

  const addressOf = (input: unknown): string => {
    const url = new URL(`${input as string}`);
    if (url.username !== '' || url.password !== '') {
      throw new TypeError('a URL with a user or password cannot be fetched: put them in an Authorization header');
    }
    return url.href;
  };

  class Request extends Body {
    readonly #url: string;
    readonly #method: string;
    readonly #redirect: string;
    readonly #signal: Signal | null;

    constructor(input: unknown, init: RequestInit = {}) {
      const from = input instanceof Request ? input : null;
      const given = init ?? {};
      const method = given.method === undefined ? (from?.method ?? 'GET') : methodOf(given.method);
      const headers = new Headers(given.headers ?? from?.headers);
      const hasBody = given.body !== undefined && given.body !== null;
      if (!hasBody && from !== null) assertUnused(from);
      const { content, type } = hasBody
        ? extract(given.body)
        : { content: from === null ? null : contentOf(from), type: null };
      if (content !== null && (method === 'GET' || method === 'HEAD')) {
        throw new TypeError(`a ${method} request has no body`);
      }
      if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
      super(content, headers);
      this.#url = from === null ? addressOf(input) : from.url;
      this.#method = method;
      this.#redirect = given.redirect === undefined ? (from?.redirect ?? 'follow') : `${given.redirect as string}`;
      if (!redirects.includes(this.#redirect)) throw new TypeError(`redirect is one of ${redirects.join(', ')}`);
      const signal = given.signal === undefined ? (from?.signal ?? null) : given.signal;
      if (signal !== null && !isSignal(signal)) throw new TypeError('signal is an AbortSignal');
      this.#signal = signal;
    }
    get url(): string {
      return this.#url;
    }
    get method(): string {
      return this.#method;
    }
    get redirect(): string {
      return this.#redirect;
    }
    get signal(): Signal | null {
      return this.#signal;
    }
    clone(): Request {
      assertUnused(this);
      return new Request(this);
    }
    get [Symbol.toStringTag](): string {
      return 'Request';
    }
  }

  // ---- Response ----------------------------------------------------------------------------------------------------------------------

  interface ResponseInit {
    status?: unknown;
    statusText?: unknown;
    headers?: unknown;
  }
  /** Says that a response came over the network: its status and body are what they are. */
  class Received {
    readonly url: string;
    readonly content: Content;
    constructor(url: string, content: Content) {
      this.url = url;
      this.content = content;
    }
  }
  const withoutBody = [101, 103, 204, 205, 304];
  let createError: () => Response;

  class Response extends Body {
    static {
      createError = () => {
        const response = new Response();
        response.#status = 0;
        response.#type = 'error';
        return response;
      };
    }
    #status: number;
    #type = 'default';
    readonly #statusText: string;
    readonly #url: string;

    constructor(body: unknown = null, init: ResponseInit = {}) {
      const given = init ?? {};
      const received = body instanceof Received ? body : null;
      const headers = new Headers(given.headers);
      const status = given.status === undefined ? 200 : Math.trunc(Number(given.status));
      if (received === null && !(status >= 200 && status <= 599)) {
        throw new RangeError(`the status of a Response is from 200 to 599; got ${given.status as string}`);
      }
      const { content, type } = received === null ? extract(body) : { content: received.content, type: null };
      if (received === null && content !== null && withoutBody.includes(status)) {
        throw new TypeError(`a Response of status ${status} has no body`);
      }
      if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
      super(content, headers);
      this.#status = status;
      this.#statusText = given.statusText === undefined ? '' : `${given.statusText as string}`;
      this.#url = received === null ? '' : received.url;
    }
    get status(): number {
      return this.#status;
    }
    get ok(): boolean {
      return this.#status >= 200 && this.#status <= 299;
    }
    get statusText(): string {
      return this.#statusText;
    }
    /** The address that was asked for; where redirects led is not known here. */
    get url(): string {
      return this.#url;
    }
    get redirected(): boolean {
      return false;
    }
    get type(): string {
      return this.#type;
    }
    clone(): Response {
      assertUnused(this);
      const { status, statusText, headers } = this;
      return new Response(new Received(this.#url, contentOf(this)), { status, statusText, headers });
    }
    static json(data: unknown, init: ResponseInit = {}): Response {
      const text = JSON.stringify(data) as string | undefined;
      if (text === undefined) throw new TypeError('the value cannot be turned into JSON');
      const headers = new Headers(init?.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(text, { ...init, headers });
    }
    static error(): Response {
      return createError();
    }
    static redirect(url: unknown, status: unknown = 302): Response {
      const code = Number(status);
      if (![301, 302, 303, 307, 308].includes(code)) throw new RangeError('a redirect is 301, 302, 303, 307 or 308');
      return new Response(null, { status: code, headers: { location: new URL(`${url as string}`).href } });
    }
    get [Symbol.toStringTag](): string {
      return 'Response';
    }
  }

  // ---- fetch -------------------------------------------------------------------------------------------------------------------------

  const responseOf = (answer: HostAnswer, url: string): Response => {
    const content =
      answer.bodyKind === 'none' ? null : answer.bodyKind === 'base64' ? fromBase64(answer.bodyText) : answer.bodyText;
    const headers = new Headers();
    for (const name of Object.keys(answer.headers)) {
      const value = answer.headers[name] as string | string[];
      for (const one of typeof value === 'string' ? [value] : value) headers.append(name, one);
    }
    return new Response(new Received(url, content), { status: answer.status, headers });
  };

  const fetch = async (input: unknown, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { signal, url, redirect } = request;
    if (signal?.aborted === true) throw signal.reason;
    const content = contentOf(request);
    const headers: Record<string, string> = {};
    for (const [name, value] of request.headers) headers[name] = value;
    const exchange = host.request({
      method: request.method,
      url,
      headers: Object.keys(headers).length === 0 ? null : headers,
      body: content === null ? null : typeof content === 'string' ? content : toBase64.call(content),
      bodyKind: content === null ? null : typeof content === 'string' ? 'text' : 'base64',
      redirect: redirect === 'follow' ? 'follow' : 'manual',
    });
    const answer = await new Promise<HostAnswer>((resolve, reject) => {
      const forget =
        signal === null
          ? () => {}
          : onAbort(signal, () => {
              exchange.cancel();
              reject(signal.reason);
            });
      exchange.answer.then(
        (given) => {
          forget();
          resolve(given);
        },
        (error: unknown) => {
          forget();
          reject(error);
        },
      );
    });
    if (redirect === 'error' && answer.status >= 300 && answer.status < 400 && 'location' in answer.headers) {
      throw new TypeError(`${request.method} ${url.split('?')[0] as string} was redirected, and redirect is "error"`);
    }
    return responseOf(answer, url);
  };

  return { globals: { fetch, Headers, Request, Response } };
}
