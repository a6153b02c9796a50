import createRouter, { type HTTPMethod } from 'find-my-way';
import type { HttpTrigger } from './compiled.ts';
import { type Method, methods } from './http-fields.ts';
import { isOwnAddress, type PathSegment, parseTriggerPath, routeKey, trimPath } from './trigger-path.ts';

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

export interface RouteTable<T> {
  /** `path` as it arrived, without the query. Null when no route matches it, whatever the method. */
  find(method: string, path: string): RouteMatch<T> | OtherMethods | MalformedPath | null;
}

interface Route<T> {
  entry: RouteEntry<T>;
  /** Equal for routes that match the same requests. */
  key: string;
  isFixed: boolean;
}

const noParams: Readonly<Record<string, string>> = Object.freeze(Object.create(null));
const malformed: MalformedPath = Object.freeze({ malformed: true });
/** No parameter is longer than the head of a request. */
const paramLengthMax = 64 * 1024;
const ignore = (): void => undefined;

const noPaths: ReadonlySet<string> = new Set();

/**
 * Builds a table of these routes, without those that conflict: with each other, or with `reserved`, paths that the server answers
 * itself. Throws TypeError for a path that validation refuses.
 */
export function buildRoutes<T>(
  entries: readonly RouteEntry<T>[],
  reserved: ReadonlySet<string> = noPaths,
): {
  table: RouteIndex<T>;
  conflicts: RouteConflict[];
} {
  const { routes, conflicts } = separateConflicts(entries, reserved);
  const table = new RouteIndex<T>(reserved);
  table.replace(
    [],
    routes.map(({ entry }) => entry),
  );
  return { table, conflicts };
}

/** The conflicts alone, without building a table. */
export function findRouteConflicts<T>(entries: readonly RouteEntry<T>[]): RouteConflict[] {
  return separateConflicts(entries, noPaths).conflicts;
}

/** Equal for two triggers that match the same requests. */
export function routeKeyOf(trigger: HttpTrigger): string {
  return readRoute(trigger).key;
}

function readRoute(trigger: HttpTrigger): { key: string; isFixed: boolean } {
  const parsed = parseTriggerPath(trigger.path);
  if ('problem' in parsed) throw new TypeError(`${trigger.path}: ${parsed.problem.message}`);
  const { segments } = parsed;
  return {
    key: `${trigger.method} ${routeKey(segments)}`,
    isFixed: segments.every(({ kind }: PathSegment) => kind === 'static'),
  };
}

/** Stands for nFlow in a conflict with a path that it answers itself. */
export const serverItself = '(the server itself)';

function separateConflicts<T>(
  entries: readonly RouteEntry<T>[],
  reserved: ReadonlySet<string>,
): { routes: Route<T>[]; conflicts: RouteConflict[] } {
  const routes = entries.map((entry): Route<T> => ({ entry, ...readRoute(entry.trigger) }));
  const isReserved = ({ entry }: Route<T>): boolean => reserved.has(entry.trigger.path);
  const groups = [...Map.groupBy(routes, ({ key }) => key).values()];
  const conflicts = groups
    .filter((group) => group.length > 1 || group.some(isReserved))
    .map((group) => {
      const { entry } = group[0] as Route<T>;
      const owner = group.some(isReserved) ? [{ workflow: serverItself, path: entry.trigger.path }] : [];
      const owners = [
        ...owner,
        ...group.map((one) => ({ workflow: one.entry.workflow, path: one.entry.trigger.path })),
      ];
      return {
        method: entry.trigger.method,
        paths: owners.map(({ path }) => path),
        workflows: owners.map(({ workflow }) => workflow),
      };
    });
  return { routes: groups.filter((group) => group.length === 1 && !group.some(isReserved)).flat(), conflicts };
}

/** A route in the router, which keeps it while the workflow behind it changes. */
interface Slot<T> {
  entry: RouteEntry<T>;
}

/**
 * A table whose routes change together: `find` and `replace` are synchronous, so a request sees the routes from before a change or
 * those from after it. A change costs what it changes; only a route with parameters that goes away makes the router be built anew.
 *
 * At each segment a fixed text goes before a `:param`, and that before `*`; the method is looked at first, so `GET /a/:x` answers
 * `GET /a/b` although there is `POST /a/b`. `/a` and `/a/` are one path; `:param` and `*` match at least one character; a path
 * with an empty segment matches nothing.
 */
export class RouteIndex<T> implements RouteTable<T> {
  // Fixed paths are most requests. A map answers them several times faster than the router, takes far less time to build, and
  // gives the same: a path that is fixed as a whole goes before every other.
  readonly #fixed = new Map<string, Map<string, RouteMatch<T>>>();
  /** Routes with parameters, by their key. */
  readonly #slots = new Map<string, Slot<T>>();
  #router = createRouter({ maxParamLength: paramLengthMax });
  readonly #owners = new Map<string, { workflow: string; path: string }>();
  readonly #ofWorkflow = new Map<string, Route<T>[]>();
  readonly #answersHead = new WeakSet<HttpTrigger>();
  readonly #reserved: ReadonlySet<string>;

  /** No parameter matches a path of `reserved`, nor one below `ownPaths`: the server answers it. */
  constructor(reserved: ReadonlySet<string> = noPaths) {
    this.#reserved = reserved;
  }

  /** The workflow that has the route of this key (`routeKeyOf`), and the path as it has it. */
  ownerOf(key: string): { workflow: string; path: string } | undefined {
    return this.#owners.get(key);
  }

  /**
   * Takes out the routes of these workflows and of those that the entries belong to, and puts the entries in. They must not conflict,
   * neither among each other nor with what stays. Throws TypeError for a path that validation refuses, and then changes nothing.
   */
  replace(removed: Iterable<string>, entries: readonly RouteEntry<T>[]): void {
    const added = entries.map((entry): Route<T> => ({ entry, ...readRoute(entry.trigger) }));
    const going = new Map<string, Route<T>>();
    for (const workflow of new Set([...removed, ...entries.map((entry) => entry.workflow)])) {
      for (const route of this.#ofWorkflow.get(workflow) ?? []) {
        going.set(route.key, route);
        this.#owners.delete(route.key);
      }
      this.#ofWorkflow.delete(workflow);
    }
    for (const route of added) {
      const before = going.get(route.key);
      // The router knows the names of parameters: only the very same path can stay.
      if (before !== undefined && before.entry.trigger.path === route.entry.trigger.path) going.delete(route.key);
    }
    this.#remove(going.values());
    for (const route of added) this.#add(route);
  }

  #remove(routes: Iterable<Route<T>>): void {
    let isRouterStale = false;
    for (const { entry, key, isFixed } of routes) {
      if (isFixed) this.#fixed.get(entry.trigger.method)?.delete(entry.trigger.path);
      else isRouterStale = this.#slots.delete(key) || isRouterStale;
    }
    if (!isRouterStale) return;
    this.#router = createRouter({ maxParamLength: paramLengthMax });
    for (const slot of this.#slots.values()) {
      this.#router.on(slot.entry.trigger.method, slot.entry.trigger.path, ignore, slot);
    }
  }

  #add(route: Route<T>): void {
    const { entry, key, isFixed } = route;
    const { workflow, trigger, target, effectFree } = entry;
    if (trigger.method === 'GET' && effectFree) this.#answersHead.add(trigger);
    this.#owners.set(key, { workflow, path: trigger.path });
    const ofWorkflow = this.#ofWorkflow.get(workflow);
    if (ofWorkflow === undefined) this.#ofWorkflow.set(workflow, [route]);
    else ofWorkflow.push(route);
    if (isFixed) {
      const ofMethod = this.#fixed.get(trigger.method) ?? new Map<string, RouteMatch<T>>();
      this.#fixed.set(trigger.method, ofMethod.set(trigger.path, { target, trigger, params: noParams }));
      return;
    }
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      slot.entry = entry;
      return;
    }
    const made: Slot<T> = { entry };
    this.#slots.set(key, made);
    this.#router.on(trigger.method, trigger.path, ignore, made);
  }

  find(method: string, rawPath: string): RouteMatch<T> | OtherMethods | MalformedPath | null {
    const hit = this.#fixed.get(method)?.get(rawPath);
    if (hit !== undefined) return hit;
    if (rawPath.charCodeAt(0) !== 47 || rawPath.includes('//')) return null;
    const path = trimPath(rawPath);
    const decoded = path.includes('%') ? decodePath(path) : path;
    if (decoded === null) return malformed;
    if (isOwnAddress(decoded) || this.#reserved.has(decoded)) return null;
    const found = this.#findOne(method, path, decoded);
    if (found !== null) return found;
    if (method === 'HEAD') {
      const asGet = this.#findOne('GET', path, decoded);
      if (asGet !== null && this.#answersHead.has(asGet.trigger)) return asGet;
    }
    return this.#findMethods(path, decoded);
  }

  /** `decoded` is the path without its encodings, but for those of characters that mean something in a path. */
  #findOne(method: string, path: string, decoded: string): RouteMatch<T> | null {
    const hit = this.#fixed.get(method)?.get(decoded);
    if (hit !== undefined) return hit;
    const result = this.#router.find(method as HTTPMethod, path);
    if (result === null) return null;
    const params = result.params as Record<string, string>;
    for (const name in params) {
      if (params[name] === '') return null;
    }
    const { target, trigger } = (result.store as Slot<T>).entry;
    return { target, trigger, params };
  }

  #findMethods(path: string, decoded: string): OtherMethods | null {
    const allow = new Set<Method>();
    for (const method of methods) {
      const found = this.#findOne(method, path, decoded);
      if (found === null) continue;
      allow.add(method);
      if (this.#answersHead.has(found.trigger)) allow.add('HEAD');
    }
    return allow.size === 0 ? null : { allow: [...allow] };
  }
}

function decodePath(path: string): string | null {
  try {
    return decodeURI(path);
  } catch {
    return null;
  }
}
