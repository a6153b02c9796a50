import { nearestName } from '../config/nearest-name.ts';

export const workflowNamePattern = /^[a-z][a-z0-9-]{0,62}$/;
export const workflowNameExpected = 'a lower-case letter, then up to 62 of a-z 0-9 -';

export const nodeNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
export const nodeNameExpected = 'a letter or _, then up to 62 of A-Z a-z 0-9 _';

/** They mean something else in code and expressions, or in JavaScript itself. */
export const reservedNodeNames: ReadonlySet<string> = new Set([
  'input',
  'nodes',
  'prev',
  'ctx',
  'secrets',
  'vars',
  'execution',
  'error',
  'item',
  'index',
  'constructor',
  'prototype',
  '__proto__',
]);

/** Names for a person: all of them when they are few, else the first ones and how many more there are. */
export function listNames(names: Iterable<string>, shownMax = 20): string {
  const all = [...names];
  if (all.length === 0) return 'none';
  const shown = all.slice(0, shownMax).join(', ');
  return all.length > shownMax ? `${shown} and ${all.length - shownMax} more` : shown;
}

/** ` Did you mean "price"?`, or '' when no known name is like it. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === null ? '' : ` Did you mean ${JSON.stringify(nearest)}?`;
}
