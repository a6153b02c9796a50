import type { Config } from './config.ts';

/** What a `workflows` list may hold, for messages. */
export const grantExpected = 'names of workflows; * stands for any characters, as in orders-*';

const grantPattern = /^[a-z*][a-z0-9*-]{0,62}$/;

export function isGrantPattern(text: string): boolean {
  return grantPattern.test(text);
}

/** Whether one of the patterns of a resource (`workflows = ["orders-*"]`) means the workflow. No pattern, no grant. */
export function isGranted(patterns: readonly string[], workflow: string): boolean {
  return patterns.some((pattern) => matches(pattern, workflow));
}

/** Piece by piece, without going back further than the last `*`: the time is bounded by both lengths. */
function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  if (!name.startsWith(first)) return false;
  const last = rest.pop() as string;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/**
 * The resources of a configuration by kind and name, each with the patterns of the workflows that may use it. The kinds are those of
 * `protocol/resources.ts`; one that is not there yet has no names.
 */
export type ResourceTable = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** Each kind of resource has its line here. */
export function resourceTableOf(config: Config): ResourceTable {
  return {
    datasources: workflowsOf(config.datasources),
    redis: {},
    files: { own: ['*'], shared: config.files.sharedWorkflows },
    secrets: {},
  };
}

function workflowsOf(entries: Readonly<Record<string, { workflows: string[] }>>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(entries).map(([name, { workflows }]) => [name, workflows]));
}
