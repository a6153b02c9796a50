import { validateHeaderName, validateHeaderValue } from 'node:http';

export interface AnswerHeaders {
  /** Name, value, name, value …: what `writeHead` takes fastest. Without the content type. */
  flat: string[];
  /** What the workflow chose; null when it did not. */
  contentType: string | null;
}

/**
 * The headers that a workflow set as they are written: one line a value. The engine has checked them; what would break out of its
 * line all the same is a TypeError here.
 */
export function flattenHeaders(headers: Record<string, string | string[]>): AnswerHeaders {
  const flat: string[] = [];
  let contentType: string | null = null;
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    for (const one of typeof value === 'string' ? [value] : value) validateHeaderValue(name, one);
    if (name.toLowerCase() === 'content-type') contentType = typeof value === 'string' ? value : (value.at(-1) ?? null);
    else if (typeof value === 'string') flat.push(name, value);
    else for (const one of value) flat.push(name, one);
  }
  return { flat, contentType };
}
