/** Which file imports which, read from the sources. */
import { posix } from 'node:path';
import { parse } from 'es-module-lexer';
import { lineAt, type SourceFiles } from './source-files.ts';

export interface ModuleImport {
  /** Path of a file of the repository, or the name as written: `pg`, `node:fs`. */
  target: string;
  isFile: boolean;
  /** Erased before the program runs (`import type`): a dependency of the reader, not of the running program. */
  typeOnly: boolean;
  line: number;
}

/** Imports of every `.ts` and `.mjs` file by its path. Dynamic imports with a computed name are not seen. */
export type ModuleGraph = ReadonlyMap<string, readonly ModuleImport[]>;

export function readModuleGraph(files: SourceFiles): ModuleGraph {
  const graph = new Map<string, ModuleImport[]>();
  for (const [path, text] of files) {
    if (!/\.m?[jt]s$/.test(path)) continue;
    const imports: ModuleImport[] = [];
    const [found] = parse(text, path);
    for (const entry of found) {
      if (entry.type === 'import-meta' || entry.specifier === undefined) continue;
      const isFile = entry.specifier.startsWith('.');
      imports.push({
        target: isFile ? posix.normalize(posix.join(posix.dirname(path), entry.specifier)) : entry.specifier,
        isFile,
        typeOnly: entry.type === 'dynamic' ? entry.probablyTypeOnly : entry.typeOnly,
        line: lineAt(text, entry.importStart),
      });
    }
    graph.set(path, imports);
  }
  return graph;
}

/**
 * Import cycles of the running program: each is a list of files where every file imports the next and the last the first.
 * One cycle is reported for each strongly connected set of files (Tarjan 1972), the shortest through its first file.
 * Type-only imports are left out: they are erased, so they can neither deadlock a start nor see a half-made module.
 */
export function findImportCycles(graph: ModuleGraph): string[][] {
  const edges = (path: string): string[] =>
    (graph.get(path) ?? []).filter((to) => to.isFile && !to.typeOnly && graph.has(to.target)).map((to) => to.target);

  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const components: string[][] = [];
  const visit = (path: string): void => {
    const mine = index.size;
    index.set(path, mine);
    low.set(path, mine);
    stack.push(path);
    onStack.add(path);
    for (const next of edges(path)) {
      if (!index.has(next)) visit(next);
      else if (!onStack.has(next)) continue;
      low.set(path, Math.min(low.get(path) as number, low.get(next) as number));
    }
    if (low.get(path) !== mine) return;
    const component: string[] = [];
    for (;;) {
      const member = stack.pop() as string;
      onStack.delete(member);
      component.push(member);
      if (member === path) break;
    }
    if (component.length > 1 || edges(path).includes(path)) components.push(component.sort());
  };
  for (const path of graph.keys()) if (!index.has(path)) visit(path);

  return components.map((component) => {
    const start = component[0] as string;
    const members = new Set(component);
    const cameFrom = new Map<string, string>();
    const queue = [start];
    for (let at = 0; at < queue.length; at++) {
      const path = queue[at] as string;
      for (const next of edges(path)) {
        if (next === start) {
          const cycle = [path];
          while (cycle[0] !== start) cycle.unshift(cameFrom.get(cycle[0] as string) as string);
          return cycle;
        }
        if (members.has(next) && !cameFrom.has(next)) {
          cameFrom.set(next, path);
          queue.push(next);
        }
      }
    }
    return component;
  });
}
