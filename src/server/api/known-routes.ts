import type { FastifyInstance } from 'fastify';
import createRouter, { type HTTPMethod } from 'find-my-way';

const methods: readonly HTTPMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const ignore = (): void => {};

/** Routes by their addresses, whatever the method: to tell an address without routes from one that does not answer a method. */
export class KnownRoutes {
  readonly #router = createRouter({ ignoreTrailingSlash: true });

  /** Knows what is registered from here on. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ method, url }) => {
      // Fastify makes the route for HEAD once more when it is asked for.
      for (const each of [method].flat() as HTTPMethod[]) {
        if (!this.#router.hasRoute(each, url)) this.#router.on(each, url, ignore);
      }
    });
  }

  /** For `Allow`; null when no route has this address. */
  methodsOf(url: string): string | null {
    const path = url.split('?', 1)[0] as string;
    const found = methods.filter((method) => this.#router.find(method, path) !== null);
    return found.length === 0 ? null : found.join(', ');
  }
}
