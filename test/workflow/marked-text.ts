/** A text with marks in it: where each `⟦` stands in the text without them, 1-based. */
export function readMarks(marked: string): { text: string; places: { line: number; column: number }[] } {
  const places: { line: number; column: number }[] = [];
  let text = '';
  for (const part of marked.split(/(?=⟦)/)) {
    if (part.startsWith('⟦')) {
      const lines = text.split('\n');
      places.push({ line: lines.length, column: (lines.at(-1) as string).length + 1 });
    }
    text += part.replace('⟦', '');
  }
  return { text, places };
}
