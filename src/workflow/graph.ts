import { nearestName } from '../config/nearest-name.ts';
import type { FindingList } from './findings.ts';
import { workflowLimits } from './limits.ts';
import { didYouMean, listNames } from './names.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';

/** An edge as it is written: the name may be of no node. */
interface Edge {
  to: string;
  pointer: string;
}

/** Fields of nodes that name the node to go on with; `cases` have their own `next`. */
const edgeKeys = ['next', 'then', 'else', 'default', 'onError'];

/**
 * Checks the graph: every edge leads to a node, every node is reached, nothing goes round. It reads the file as it is, so that a
 * node with another mistake still counts as reached.
 */
export function checkGraph(nodes: JsonObject, start: JsonValue | undefined, findings: FindingList): void {
  const names = Object.keys(nodes);
  const edges = new Map(names.map((name) => [name, edgesOf(nodes[name], childPointer('/nodes', name))]));
  const edgeCount = edges.values().reduce((count, list) => count + list.length, 0);
  if (edgeCount > workflowLimits.edgesMax) {
    const expected = `at most ${workflowLimits.edgesMax}`;
    const message = 'The workflow has too many edges between its nodes.';
    findings.add({ pointer: '/nodes', code: 'too-many', got: `${edgeCount} edges`, expected, message });
    return;
  }
  if (typeof start === 'string' && !edges.has(start)) reportUnknown('/start', start, names, findings);
  for (const { to, pointer } of [...edges.values()].flat()) {
    if (!edges.has(to)) reportUnknown(pointer, to, names, findings);
  }
  const first = typeof start === 'string' ? resolve(start, edges) : names[0];
  if (first !== undefined) reportUnreachable(first, edges, findings);
  reportCycles(edges, findings);
}

function edgesOf(node: JsonValue | undefined, pointer: string): Edge[] {
  if (!isJsonObject(node)) return [];
  const edges: Edge[] = [];
  const add = (holder: JsonObject, key: string, at: string): void => {
    const to = holder[key];
    if (typeof to === 'string') edges.push({ to, pointer: childPointer(at, key) });
  };
  for (const key of edgeKeys) add(node, key, pointer);
  if (!Array.isArray(node.cases)) return edges;
  for (const [index, item] of node.cases.entries()) {
    if (isJsonObject(item)) add(item, 'next', childPointer(`${pointer}/cases`, index));
  }
  return edges;
}

function reportUnknown(pointer: string, to: string, names: readonly string[], findings: FindingList): void {
  findings.add({
    pointer,
    code: 'unknown-node',
    got: JSON.stringify(to),
    expected: `a node of this workflow: ${listNames(names)}`,
    message: `There is no node ${JSON.stringify(to)}.${didYouMean(to, names)}`,
  });
}

/** The node that a name means: a mistyped one has its finding, and must not make its whole branch unreachable too. */
function resolve(name: string, edges: ReadonlyMap<string, Edge[]>): string | undefined {
  if (edges.has(name)) return name;
  return nearestName(name, edges.keys()) ?? undefined;
}

function reportUnreachable(first: string, edges: ReadonlyMap<string, Edge[]>, findings: FindingList): void {
  const reached = new Set([first]);
  for (const name of reached) {
    for (const { to } of edges.get(name) ?? []) {
      const target = resolve(to, edges);
      if (target !== undefined) reached.add(target);
    }
  }
  for (const name of edges.keys()) {
    if (reached.has(name)) continue;
    findings.add({
      pointer: childPointer('/nodes', name),
      at: 'key',
      code: 'unreachable-node',
      got: JSON.stringify(name),
      expected: `a way to it from the start, ${JSON.stringify(first)}`,
      message: `Nothing leads to the node ${JSON.stringify(name)}. Name it in a "next", or remove it.`,
    });
  }
}

/** One finding for each edge that closes a cycle, found by a depth-first walk in the order of the file. */
function reportCycles(edges: ReadonlyMap<string, Edge[]>, findings: FindingList): void {
  const done = new Set<string>();
  const edgesFrom = (name: string): Iterator<Edge> => (edges.get(name) ?? []).values();
  for (const root of edges.keys()) {
    if (done.has(root)) continue;
    const path: { name: string; rest: Iterator<Edge> }[] = [{ name: root, rest: edgesFrom(root) }];
    const onPath = new Set([root]);
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const step = at.rest.next();
      if (step.done === true) {
        path.pop();
        onPath.delete(at.name);
        done.add(at.name);
        continue;
      }
      const { to, pointer } = step.value;
      if (onPath.has(to)) {
        const names = path.map(({ name }) => name);
        const cycle = [...names.slice(names.indexOf(to)), to].join(' → ');
        const message = `The nodes go round: ${cycle}. There is no loop node in this version.`;
        findings.add({
          pointer,
          code: 'cycle',
          got: JSON.stringify(to),
          expected: 'a node that does not lead here',
          message,
        });
      } else if (edges.has(to) && !done.has(to)) {
        path.push({ name: to, rest: edgesFrom(to) });
        onPath.add(to);
      }
    }
  }
}
