/** Unified diffs of texts, by Myers' algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986), on lines. */

/** Lines removed and added together; past it the texts have little in common, and the search would take long. */
const editsMax = 1_000;
/** Lines compared: texts of very many equal lines would take long as well. */
const comparisonsMax = 20_000_000;
const contextLines = 3;

type Edit = { kind: ' ' | '-' | '+'; line: string };

/** The hunks of a unified diff with three lines of context, without file headers; '' for equal texts. */
export function unifiedDiff(before: string, after: string): string {
  if (before === after) return '';
  const isMarked = endsInLineBreak(before) !== endsInLineBreak(after);
  return formatHunks(editsBetween(linesOf(before, isMarked), linesOf(after, isMarked)));
}

function endsInLineBreak(text: string): boolean {
  return text === '' || text.endsWith('\n');
}

/**
 * Where one of two texts alone ends without a line break, its last line says so, as in diff(1). Where both do, that is no
 * difference, and code inside of a definition seldom has one.
 */
function linesOf(text: string, isMarked: boolean): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else if (isMarked) lines[lines.length - 1] += '\n\\ No newline at end of file';
  return lines;
}

function editsBetween(before: string[], after: string[]): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let same = 0;
  while (
    same < before.length - start &&
    same < after.length - start &&
    before[before.length - 1 - same] === after[after.length - 1 - same]
  ) {
    same++;
  }
  const keep = (line: string): Edit => ({ kind: ' ', line });
  return [
    ...before.slice(0, start).map(keep),
    ...changed(before.slice(start, before.length - same), after.slice(start, after.length - same)),
    ...before.slice(before.length - same).map(keep),
  ];
}

function changed(before: string[], after: string[]): Edit[] {
  const trace = searchPath(before, after);
  if (trace === null) {
    return [...before.map((line): Edit => ({ kind: '-', line })), ...after.map((line): Edit => ({ kind: '+', line }))];
  }
  return followPath(trace, before, after);
}

/**
 * How far each diagonal was reached after 0, 1, 2 … edits, up to the number that reaches the end; null past a limit. The entry
 * for d edits holds diagonals -d to d at index k + d.
 */
function searchPath(before: string[], after: string[]): Int32Array[] | null {
  const trace: Int32Array[] = [];
  let comparisons = 0;
  for (let edits = 0; edits <= Math.min(editsMax, before.length + after.length); edits++) {
    const reached = new Int32Array(2 * edits + 1);
    for (let k = -edits; k <= edits; k += 2) {
      let x = edits === 0 ? 0 : startOf(trace[edits - 1] as Int32Array, edits - 1, k).x;
      const startX = x;
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
      comparisons += x - startX;
      reached[k + edits] = x;
      if (x >= before.length && x - k >= after.length) return [...trace, reached];
    }
    if (comparisons > comparisonsMax) return null;
    trace.push(reached);
  }
  return null;
}

/** Where diagonal k begins with one edit more than `previous` has: after an insertion (from k + 1) or a removal (from k - 1). */
function startOf(previous: Int32Array, edits: number, k: number): { x: number; isInsertion: boolean } {
  const at = (diagonal: number): number => (Math.abs(diagonal) > edits ? -1 : (previous[diagonal + edits] as number));
  const inserted = at(k + 1);
  const removed = at(k - 1) === -1 ? -1 : at(k - 1) + 1;
  return inserted >= removed ? { x: inserted, isInsertion: true } : { x: removed, isInsertion: false };
}

function followPath(trace: Int32Array[], before: string[], after: string[]): Edit[] {
  const edits: Edit[] = [];
  let x = before.length;
  let y = after.length;
  for (let count = trace.length - 1; count > 0; count--) {
    const { x: startX, isInsertion } = startOf(trace[count - 1] as Int32Array, count - 1, x - y);
    for (; x > startX; y--) edits.push({ kind: ' ', line: before[--x] as string });
    if (isInsertion) edits.push({ kind: '+', line: after[--y] as string });
    else edits.push({ kind: '-', line: before[--x] as string });
  }
  while (x > 0) edits.push({ kind: ' ', line: before[--x] as string });
  return edits.reverse();
}

function formatHunks(edits: Edit[]): string {
  const parts: string[] = [];
  let beforeLine = 1;
  let afterLine = 1;
  for (let at = 0; at < edits.length; ) {
    const first = edits.findIndex((edit, index) => index >= at && edit.kind !== ' ');
    if (first === -1) break;
    const begin = Math.max(at, first - contextLines);
    const end = endOfHunk(edits, first);
    beforeLine += begin - at;
    afterLine += begin - at;
    const hunk = edits.slice(begin, end);
    const beforeCount = hunk.filter(({ kind }) => kind !== '+').length;
    const afterCount = hunk.filter(({ kind }) => kind !== '-').length;
    parts.push(`@@ -${range(beforeLine, beforeCount)} +${range(afterLine, afterCount)} @@`);
    for (const { kind, line } of hunk) parts.push(kind + line);
    beforeLine += beforeCount;
    afterLine += afterCount;
    at = end;
  }
  return `${parts.join('\n')}\n`;
}

/** Changes that are close to each other are one hunk. */
function endOfHunk(edits: Edit[], first: number): number {
  let last = first;
  for (let index = first; index < edits.length && index - last <= 2 * contextLines; index++) {
    if ((edits[index] as Edit).kind !== ' ') last = index;
  }
  return Math.min(edits.length, last + 1 + contextLines);
}

function range(line: number, count: number): string {
  return count === 1 ? String(line) : `${count === 0 ? line - 1 : line},${count}`;
}
