import type { ClientSettings } from '../config/client.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';

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
      throw new CommandFailure('server_unreachable', `No server answers at ${server}.`, exitCode.unreachable, {
        got: reasonOf(cause),
        remedy: 'Start one with `nflow start`, or name the right one with --server or NFLOW_SERVER.',
        cause,
      });
    }
  }

  async #answer(response: Response): Promise<unknown> {
    const text = await response.text();
    if (response.status === 204) return null;
    const body = parseJson(text);
    if (response.ok && body !== undefined) return body;
    throw refusal(new URL(response.url), response.status, body);
  }

  #url(path: string, query: Query): URL {
    let url: URL;
    try {
      url = new URL(`${this.#settings.server}/nflow/api/v1${path}`);
    } catch (cause) {
      throw new CommandFailure('usage', `${this.#settings.server} is not the address of a server.`, exitCode.usage, {
        got: this.#settings.server,
        expected: 'an address such as http://127.0.0.1:8080',
        cause,
      });
    }
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

function refusal(url: URL, status: number, body: unknown): CommandFailure {
  const { code, title, detail } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (typeof code !== 'string') {
    return new CommandFailure(
      'server_unreachable',
      `What answers at ${url.origin} is not an nFlow server.`,
      exitCode.unreachable,
      {
        got: `status ${status} from ${url.pathname}`,
        remedy: 'Name the right server with --server or NFLOW_SERVER.',
      },
    );
  }
  const { errors } = body as { errors?: { pointer?: unknown; got?: unknown; expected?: unknown }[] };
  const first = Array.isArray(errors) ? errors[0] : undefined;
  const isDenied = status === 401 || status === 403;
  return new CommandFailure(
    code,
    String(detail ?? title ?? `status ${status}`),
    code === 'store_unavailable' ? exitCode.unreachable : exitCode.failed,
    {
      got: first === undefined ? undefined : `${first.got} at ${first.pointer}`,
      expected: first === undefined ? undefined : String(first.expected),
      remedy: isDenied
        ? 'Set NFLOW_TOKEN to the token of this server, or name its data folder with --data.'
        : undefined,
    },
  );
}
