/** Reads `a=1&b=2` (a query or a form) into JSON text; repeated names become arrays. */

/** More fields than this are refused: each costs far more than its bytes. */
export const urlEncodedFieldsMax = 10_000;

/**
 * JSON text of an object of strings and arrays of strings.
 * Null when a percent sign is not followed by two hex digits of UTF-8; `too-many` past `urlEncodedFieldsMax`.
 */
export function urlEncodedToJson(text: string): string | null | 'too-many' {
  // Without a prototype `__proto__` is a name like any other.
  const fields: Record<string, string | string[]> = Object.create(null);
  let count = 0;
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf('&', start);
    if (end === -1) end = text.length;
    if (end > start) {
      if (++count > urlEncodedFieldsMax) return 'too-many';
      const equals = text.indexOf('=', start);
      const hasValue = equals !== -1 && equals < end;
      const name = decode(text.slice(start, hasValue ? equals : end));
      const value = hasValue ? decode(text.slice(equals + 1, end)) : '';
      if (name === null || value === null) return null;
      const before = fields[name];
      if (before === undefined) fields[name] = value;
      else if (typeof before === 'string') fields[name] = [before, value];
      else before.push(value);
    }
    start = end + 1;
  }
  return JSON.stringify(fields);
}

function decode(text: string): string | null {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return null;
  }
}
