/** The client of the fault tests: one connection a request and never a repeat, so that every outcome is the server's own. */
import { request } from 'node:http';

export interface Answered {
  kind: 'answered';
  run: string;
  status: number;
  /** Of the started execution; null when the request was refused. */
  executionId: string | null;
  retryAfter: string | null;
  body: string;
  /** `performance.now()` at its end. */
  atMs: number;
}

export type Outcome =
  | Answered
  /** The connection ended without an answer. */
  | { kind: 'broken'; run: string; reason: string; atMs: number }
  /** Nothing came for so long that nothing will. */
  | { kind: 'silent'; run: string; atMs: number };

const patienceMs = 120_000;

/** POSTs to `address/path/RUN`. Never rejects. */
export function post(address: string, path: string, run: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const broken = (reason: string): void => resolve({ kind: 'broken', run, reason, atMs: performance.now() });
    const outgoing = request(`${address}/${path}/${run}`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(patienceMs),
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      if (error.name === 'AbortError') resolve({ kind: 'silent', run, atMs: performance.now() });
      else broken(error.code ?? error.message);
    });
    outgoing.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        resolve({
          kind: 'answered',
          run,
          status: response.statusCode ?? 0,
          executionId: headerOf(response.headers['nflow-execution-id']),
          retryAfter: headerOf(response.headers['retry-after']),
          body,
          atMs: performance.now(),
        }),
      );
      response.on('error', (error: NodeJS.ErrnoException) => broken(error.code ?? error.message));
    });
    outgoing.end(JSON.stringify({ run }));
  });
}

function headerOf(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

export function isAnswered(outcome: Outcome): outcome is Answered {
  return outcome.kind === 'answered';
}
