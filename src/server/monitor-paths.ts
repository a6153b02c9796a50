import type { Config } from '../config/config.ts';

const health = '/health';
const metrics = '/metrics';

/** Below a path of the server's own, where no route is: what is asked for there is not found. */
const nowhere = '/health/not-here';

/**
 * `[monitor]`: where health and metrics are answered. Routes and their access are known by the usual paths alone; an address that a
 * client asks for is turned into that of the route behind it.
 */
export class MonitorPaths {
  readonly #routes: ReadonlyMap<string, string>;

  constructor({ enabled, healthCheckPath, metricsPath }: Config['monitor']) {
    const routes = new Map([
      [health, nowhere],
      [metrics, nowhere],
    ]);
    if (enabled) routes.set(healthCheckPath, health).set(metricsPath, metrics);
    // What stays as it is needs no entry.
    this.#routes = new Map([...routes].filter(([path, route]) => path !== route));
  }

  /** The address of the route that `url`, path and query, asks for: nearly always `url` itself. */
  routeUrl(url: string): string {
    if (this.#routes.size === 0) return url;
    const question = url.indexOf('?');
    const path = (question === -1 ? url : url.slice(0, question)).replace(/\/$/, '');
    const route = this.#routes.get(path);
    return route === undefined ? url : route + (question === -1 ? '' : url.slice(question));
  }
}

/** Paths that no workflow can answer in this configuration, beside those that none ever can. */
export function reservedPathsOf({ enabled, healthCheckPath, metricsPath }: Config['monitor']): ReadonlySet<string> {
  return new Set(enabled ? [healthCheckPath, metricsPath].filter((path) => path !== health && path !== metrics) : []);
}
