/**
 * The headers that a workflow chose for its answer, checked: names and values are what HTTP allows, and nothing that belongs to the
 * connection or to nFlow. What is refused is left out; the workflow cannot break the answer.
 */
const refused = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const badValue = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/;
const countMax = 100;

export function parseAnswerHeaders(headersJson: string): Record<string, string | string[]> | null {
  if (headersJson === '') return null;
  let given: unknown;
  try {
    given = JSON.parse(headersJson);
  } catch {
    return null;
  }
  if (typeof given !== 'object' || given === null) return null;
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(given).slice(0, countMax)) {
    const lower = name.toLowerCase();
    if (!namePattern.test(name) || refused.has(lower) || lower.startsWith('nflow-')) continue;
    const values = (Array.isArray(value) ? value : [value]).filter(
      (one): one is string =>
        typeof one === 'string' && !badValue.test(one) && !(lower === 'set-cookie' && /^[\s=]*nflow_/i.test(one)),
    );
    if (values.length > 0) headers[lower] = values.length === 1 ? (values[0] as string) : values;
  }
  return headers;
}
