import type { ClientSettings } from '../config/client.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { refusal } from './server-refusal.ts';

const timeoutMs = 30_000;
/** Many workflows may be compiled in one request. */
const writeTimeoutMs = 120_000;

/** An array is a parameter that is repeated; undefined one that is left out. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ServerEvent {
  name: string;
  data: string;
}

/** The administration API of a running server. */
export class ServerApi {
  readonly #settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
  }

  get server(): string {
    return this.#settings.server;
  }

  /**
   * GET of `/nflow/api/v1` + path. Throws CommandFailure: `server_unreachable` (exit 3) when nobody answers, the code of the
   * problem document (exit 1, or 3 when its database is away) when the server refuses.
   */
  async get(path: string, query: Query = {}): Promise<unknown> {
    return this.#answer(await this.#fetch('GET', path, query, undefined, AbortSignal.timeout(timeoutMs)));
  }

  /** As `get`, with a JSON body; null for an answer without one. */
  async post(path: string, body?: unknown): Promise<unknown> {
    return this.#answer(await this.#fetch('POST', path, {}, body, AbortSignal.timeout(writeTimeoutMs)));
  }

  async put(path: string, body: unknown): Promise<unknown> {
    return this.#answer(await this.#fetch('PUT', path, {}, body, AbortSignal.timeout(writeTimeoutMs)));
  }

  async delete(path: string): Promise<unknown> {
    return this.#answer(await this.#fetch('DELETE', path, {}, undefined, AbortSignal.timeout(writeTimeoutMs)));
  }

  /** Server-sent events, by name with their data, until the server ends the stream or `signal` is aborted. Throws as `get`. */
  async *events(path: string, query: Query, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const response = await this.#fetch('GET', path, query, undefined, signal);
    if (!response.ok || response.body === null) await this.#answer(response);
    else yield* readEvents(response.body);
  }

  async #fetch(method: string, path: string, query: Query, body: unknown, signal: AbortSignal): Promise<Response> {
    const { server, token } = this.#settings;
    const headers: Record<string, string> = { accept: 'application/json, text/event-stream' };
    if (token !== null) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const url = this.#url(path, query);
    try {
      return await fetch(url, { method, headers, signal, ...sent });
    } catch (cause) {
      const isPlain = url.protocol === 'https:' && isTlsFailure(cause);
      throw new CommandFailure('server_unreachable', `No server answers at ${server}.`, exitCode.unreachable, {
        got: isPlain ? 'an answer that is not TLS' : reasonOf(cause),
        remedy: isPlain
          ? `Write http:// instead of https://, if what listens there is nFlow itself.`
          : 'Start one with `nflow start`, or name the right one with --server or NFLOW_SERVER.',
        cause,
      });
    }
  }

  async #answer(response: Response): Promise<unknown> {
    const text = await response.text();
    if (response.status === 204) return null;
    const body = parseJson(text);
    if (response.ok && body !== undefined) return body;
    throw refusal(new URL(response.url), response.status, body, this.#settings.token !== null);
  }

  #url(path: string, query: Query): URL {
    const { server } = this.#settings;
    const address = `${server}/nflow/api/v1${path}`;
    if (!/^https?:\/\//i.test(server) || !URL.canParse(address)) {
      throw new CommandFailure('usage', `${server} is not the address of a server.`, exitCode.usage, {
        got: server,
        expected: 'an http or https address such as http://127.0.0.1:8080',
        remedy: 'Correct --server or NFLOW_SERVER.',
      });
    }
    const url = new URL(address);
    for (const [name, value] of Object.entries(query)) {
      for (const one of [value ?? []].flat()) url.searchParams.append(name, one);
    }
    return url;
  }
}

/** The fields of the event stream format that our servers use (HTML standard, section 9.2.6). */
async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let pending = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    for (let end = pending.indexOf('\n\n'); end !== -1; end = pending.indexOf('\n\n')) {
      const lines = pending.slice(0, end).split('\n');
      pending = pending.slice(end + 2);
      const field = (name: string): string | undefined =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const name = field('event');
      if (name !== undefined) yield { name, data: field('data') ?? '' };
    }
  }
}

/** What listens speaks plain HTTP, or nothing that TLS knows. OpenSSL's own words are for its developers. */
function isTlsFailure(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return cause?.code === 'ERR_SSL_WRONG_VERSION_NUMBER' || cause?.code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG';
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
