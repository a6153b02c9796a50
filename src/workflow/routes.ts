import createRouter, { type HTTPMethod } from 'find-my-way';
import type { HttpTrigger } from './compiled.ts';
import { type Method, methods } from './definition.ts';
import { type PathSegment, parseTriggerPath, routeKey, trimPath } from './trigger-path.ts';

/** What a route leads to: `target` is the caller's. */
export interface RouteEntry<T> {
  workflow: string;
  trigger: HttpTrigger;
  /** HEAD is answered where GET is, when the workflow has no effects. */
  effectFree: boolean;
  target: T;
}

/** Routes that match the same requests. None of them is in the table. */
export interface RouteConflict {
  method: Method;
  /** As each of the workflows has it, in the order of the entries. */
  paths: string[];
  workflows: string[];
}

export interface RouteMatch<T> {
  target: T;
  trigger: HttpTrigger;
  /** Decoded, and without a prototype. `*` is the rest of the path that a `*` matched. */
  params: Readonly<Record<string, string>>;
}

/** The path exists, for these methods. */
export interface OtherMethods {
  allow: Method[];
}

/** The path has a percent-encoding that is not one. */
export interface MalformedPath {
  malformed: true;
}

/** Immutable: other routes are another table. */
export interface RouteTable<T> {
  /** `path` as it arrived, without the query. Null when no route matches it, whatever the method. */
  find(method: string, path: string): RouteMatch<T> | OtherMethods | MalformedPath | null;
}

interface Route<T> {
  entry: RouteEntry<T>;
  segments: PathSegment[];
}

const noParams: Readonly<Record<string, string>> = Object.freeze(Object.create(null));
const malformed: MalformedPath = Object.freeze({ malformed: true });
/** No parameter is longer than the head of a request. */
const paramLengthMax = 64 * 1024;
const ignore = (): void => undefined;

/**
 * Builds the table. At each segment a fixed text goes before a `:param`, and that before `*`; the method is looked at first, so
 * `GET /a/:x` answers `GET /a/b` although there is `POST /a/b`. `/a` and `/a/` are one path; `:param` and `*` match at least one
 * character; a path with an empty segment matches nothing. Throws TypeError for a path that validation refuses.
 */
export function buildRoutes<T>(entries: readonly RouteEntry<T>[]): {
  table: RouteTable<T>;
  conflicts: RouteConflict[];
} {
  const { routes, conflicts } = separateConflicts(entries);
  return { table: createTable(routes), conflicts };
}

/** The conflicts alone, without building a table. */
export function findRouteConflicts<T>(entries: readonly RouteEntry<T>[]): RouteConflict[] {
  return separateConflicts(entries).conflicts;
}

function separateConflicts<T>(entries: readonly RouteEntry<T>[]): { routes: Route<T>[]; conflicts: RouteConflict[] } {
  const byKey = new Map<string, Route<T>[]>();
  for (const entry of entries) {
    const parsed = parseTriggerPath(entry.trigger.path);
    if ('problem' in parsed) throw new TypeError(`${entry.workflow}: ${entry.trigger.path}: ${parsed.problem.message}`);
    const key = `${entry.trigger.method} ${routeKey(parsed.segments)}`;
    const route = { entry, segments: parsed.segments };
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [route]);
    else same.push(route);
  }
  const groups = [...byKey.values()];
  const conflicts = groups
    .filter((group) => group.length > 1)
    .map((group) => ({
      method: (group[0] as Route<T>).entry.trigger.method,
      paths: group.map(({ entry }) => entry.trigger.path),
      workflows: group.map(({ entry }) => entry.workflow),
    }));
  return { routes: groups.filter((group) => group.length === 1).flat(), conflicts };
}

function createTable<T>(routes: readonly Route<T>[]): RouteTable<T> {
  // Fixed paths are most requests. A map answers them several times faster than the router, takes far less time to build, and
  // gives the same: a path that is fixed as a whole goes before every other.
  const fixed = new Map<string, Map<string, RouteMatch<T>>>();
  const router = createRouter({ maxParamLength: paramLengthMax });
  const answersHead = new Set<HttpTrigger>();
  for (const { entry, segments } of routes) {
    const { trigger, target, effectFree } = entry;
    if (trigger.method === 'GET' && effectFree) answersHead.add(trigger);
    if (segments.every(({ kind }) => kind === 'static')) {
      const ofMethod = fixed.get(trigger.method) ?? new Map<string, RouteMatch<T>>();
      fixed.set(trigger.method, ofMethod.set(trigger.path, { target, trigger, params: noParams }));
    } else {
      router.on(trigger.method, trigger.path, ignore, entry);
    }
  }

  /** `decoded` is the path without its encodings, but for those of characters that mean something in a path. */
  const findOne = (method: string, path: string, decoded: string): RouteMatch<T> | null => {
    const hit = fixed.get(method)?.get(decoded);
    if (hit !== undefined) return hit;
    const result = router.find(method as HTTPMethod, path);
    if (result === null) return null;
    const params = result.params as Record<string, string>;
    for (const name in params) {
      if (params[name] === '') return null;
    }
    const { target, trigger }: RouteEntry<T> = result.store;
    return { target, trigger, params };
  };

  const findMethods = (path: string, decoded: string): OtherMethods | null => {
    const allow = new Set<Method>();
    for (const method of methods) {
      const found = findOne(method, path, decoded);
      if (found === null) continue;
      allow.add(method);
      if (answersHead.has(found.trigger)) allow.add('HEAD');
    }
    return allow.size === 0 ? null : { allow: [...allow] };
  };

  return {
    find(method, rawPath) {
      const hit = fixed.get(method)?.get(rawPath);
      if (hit !== undefined) return hit;
      if (rawPath.charCodeAt(0) !== 47 || rawPath.includes('//')) return null;
      const path = trimPath(rawPath);
      const decoded = path.includes('%') ? decodePath(path) : path;
      if (decoded === null) return malformed;
      const found = findOne(method, path, decoded);
      if (found !== null) return found;
      if (method === 'HEAD') {
        const asGet = findOne('GET', path, decoded);
        if (asGet !== null && answersHead.has(asGet.trigger)) return asGet;
      }
      return findMethods(path, decoded);
    },
  };
}

function decodePath(path: string): string | null {
  try {
    return decodeURI(path);
  } catch {
    return null;
  }
}
