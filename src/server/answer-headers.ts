export interface AnswerHeaders {
  /** Name, value, name, value …: what `writeHead` takes fastest. Without the content type. */
  flat: string[];
  /** What the workflow chose; null when it did not. */
  contentType: string | null;
}

/** The headers that a workflow set (the engine has checked them) as they are written: one line a value. */
export function flattenHeaders(headers: Record<string, string | string[]>): AnswerHeaders {
  const flat: string[] = [];
  let contentType: string | null = null;
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() === 'content-type') contentType = typeof value === 'string' ? value : (value.at(-1) ?? null);
    else if (typeof value === 'string') flat.push(name, value);
    else for (const one of value) flat.push(name, one);
  }
  return { flat, contentType };
}
