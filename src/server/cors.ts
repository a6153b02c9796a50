/**
 * Which pages of other origins may read the answers of a trigger (CORS, the Fetch standard, 3.3). It only tells browsers what
 * they may show to a page: it is no access control, and requests of other clients are answered as ever.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/config.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import { executionIdHeader, requestIdHeader } from './composed-answer.ts';

type Rules = Omit<Config['cors'], 'methods'> & { methods: readonly string[] | null };

/** What scripts may always read of an answer, beside what every browser shows them. */
const exposedAlways = [executionIdHeader, requestIdHeader, 'retry-after'];

export class CorsPolicy {
  /** The answer says which origin may read it: a cache must not give it to another. */
  readonly variesByOrigin: boolean;
  readonly #rules: Rules;
  readonly #origins: ReadonlySet<string>;
  readonly #exposed: string;
  readonly #anyHeader: boolean;

  private constructor(rules: Rules) {
    this.#rules = rules;
    this.#origins = new Set(rules.origins);
    this.variesByOrigin = !this.#origins.has('*');
    this.#exposed = [...exposedAlways, ...rules.exposedHeaders].join(', ');
    this.#anyHeader = rules.headers.includes('*');
  }

  /** Null when no page of another origin may read what the trigger answers. */
  static of(trigger: HttpTrigger, configured: Config['cors']): CorsPolicy | null {
    if (trigger.cors === 'none') return null;
    const rules = trigger.cors === 'configured' ? configured : { ...trigger.cors, methods: null };
    return rules.origins.length === 0 ? null : new CorsPolicy(rules);
  }

  /** Marks the answer to a request, whatever the answer will be. */
  mark(req: IncomingMessage, res: ServerResponse): void {
    if (this.variesByOrigin) res.setHeader('vary', 'Origin');
    const { origin } = req.headers;
    if (origin === undefined || !this.#allows(origin, req.method as string)) return;
    this.#markOrigin(origin, res);
    res.setHeader('access-control-expose-headers', this.#exposed);
  }

  /** Prepares the answer to a browser that asks before it sends the request itself. False when it may not. */
  markPreflight(req: IncomingMessage, res: ServerResponse): boolean {
    res.setHeader('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
    const { origin, 'access-control-request-method': method } = req.headers;
    if (origin === undefined || method === undefined || !this.#allows(origin, method)) return false;
    this.#markOrigin(origin, res);
    res.setHeader('access-control-allow-methods', method);
    const asked = req.headers['access-control-request-headers'];
    const headers = this.#anyHeader ? asked : this.#rules.headers.join(', ');
    if (headers !== undefined && headers !== '') res.setHeader('access-control-allow-headers', headers);
    res.setHeader('access-control-max-age', String(Math.floor(this.#rules.maxAgeMs / 1000)));
    return true;
  }

  #allows(origin: string, method: string): boolean {
    const { methods } = this.#rules;
    if (methods !== null && !methods.includes(method)) return false;
    return this.#origins.has('*') || this.#origins.has(origin);
  }

  #markOrigin(origin: string, res: ServerResponse): void {
    res.setHeader('access-control-allow-origin', this.variesByOrigin ? origin : '*');
    if (this.#rules.credentials) res.setHeader('access-control-allow-credentials', 'true');
  }
}

/** True for the question that a browser asks before a request that a page may not make unasked. */
export function isPreflight(req: IncomingMessage): boolean {
  const { headers, method } = req;
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined;
}

/**
 * The headers that a workflow chose, beside a policy: the policy alone speaks of origins, and `vary` keeps what it says.
 * Both arrays are name, value, name, value …
 */
export function besideCors(headers: readonly string[], policy: CorsPolicy): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name.startsWith('access-control-')) continue;
    kept.push(name, name === 'vary' && policy.variesByOrigin ? `${value}, Origin` : value);
  }
  return kept;
}
