import type { ClientSettings } from '../config/client.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';

const timeoutMs = 30_000;

/** The administration API of a running server. */
export class ServerApi {
  readonly #settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
  }

  /**
   * GET of `/nflow/api/v1` + path. Throws CommandFailure: `server_unreachable` (exit 3) when nobody answers, the code of the
   * problem document (exit 1, or 3 when its database is away) when the server refuses.
   */
  async get(path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<unknown> {
    const { server, token } = this.#settings;
    const url = this.#url(path, query);
    let response: Response;
    try {
      response = await fetch(url, {
        headers: { accept: 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (cause) {
      throw new CommandFailure('server_unreachable', `No server answers at ${server}.`, exitCode.unreachable, {
        got: reasonOf(cause),
        remedy: 'Start one with `nflow start`, or name the right one with --server or NFLOW_SERVER.',
        cause,
      });
    }
    const text = await response.text();
    const body = parseJson(text);
    if (response.ok && body !== undefined) return body;
    throw refusal(url, response.status, body);
  }

  #url(path: string, query: Readonly<Record<string, string | undefined>>): URL {
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
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
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
  const message = String(detail ?? title ?? `status ${status}`);
  const remedy = status === 401 || status === 403 ? 'Set NFLOW_TOKEN to a token that this server accepts.' : undefined;
  return new CommandFailure(code, message, code === 'store_unavailable' ? exitCode.unreachable : exitCode.failed, {
    remedy,
  });
}
