/** Names of retention classes: `[history] classes` has them, and workflows choose one. */

/** Beside the default one; each has tables of its own. */
export const historyClassesMax = 2;

export const historyClassExpected =
  'a name of lower-case letters, digits and -, starting with a letter, at most 32 long';

/** `default` is what a workflow has that names none. */
export function isHistoryClass(name: string): boolean {
  return name !== 'default' && /^[a-z][a-z0-9-]{0,31}$/.test(name);
}
