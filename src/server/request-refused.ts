import type { Problem } from './problem.ts';

/** Thrown inside hooks and routes of Fastify: the answer to the request. */
export class RequestRefused extends Error {
  readonly problem: Problem;
  /** Sent with it, such as `www-authenticate`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: Problem, headers: Readonly<Record<string, string>> = {}) {
    super(problem.detail);
    this.problem = problem;
    this.headers = headers;
  }
}
