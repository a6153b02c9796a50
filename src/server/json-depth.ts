const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;
const closeBracket = 0x5d;
const closeBrace = 0x7d;

/**
 * True when the JSON text nests deeper than `depthMax`. Text that is not JSON gets some answer; whoever parses it will refuse it.
 * A text with no more opening brackets than the limit, which is nearly every one, is settled by counting them.
 */
export function exceedsJsonDepth(bytes: Uint8Array, depthMax: number): boolean {
  const size = bytes.length;
  let opened = 0;
  for (let i = 0; i < size; i++) {
    // The two opening brackets differ in one bit.
    if (((bytes[i] as number) | 0x20) === openBrace && ++opened > depthMax) return nestsDeeper(bytes, depthMax);
  }
  return false;
}

function nestsDeeper(bytes: Uint8Array, depthMax: number): boolean {
  const size = bytes.length;
  let depth = 0;
  for (let i = 0; i < size; i++) {
    const byte = bytes[i] as number;
    if (byte === quote) {
      i++;
      while (i < size && bytes[i] !== quote) i += bytes[i] === backslash ? 2 : 1;
    } else if (byte === openBrace || byte === openBracket) {
      if (++depth > depthMax) return true;
    } else if (byte === closeBrace || byte === closeBracket) {
      depth--;
    }
  }
  return false;
}
