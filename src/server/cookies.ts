/** Cookies named so belong to nFlow: workflows neither see nor set them. */
export function isOwnCookie(name: string): boolean {
  return name.toLowerCase().startsWith('nflow_');
}

/** JSON text of the cookies among `wanted` that the `cookie` header carries; of a repeated name the first counts. */
export function cookiesToJson(header: string | undefined, wanted: readonly string[]): string {
  if (header === undefined || wanted.length === 0) return '{}';
  const cookies: Record<string, string> = Object.create(null);
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const name = pair.slice(0, equals).trim();
    if (!wanted.includes(name) || isOwnCookie(name) || name in cookies) continue;
    cookies[name] = decode(
      pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    );
  }
  return JSON.stringify(cookies);
}

/** Percent encoding is a custom of cookies, not their syntax: what does not decode is meant as it stands. */
function decode(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
