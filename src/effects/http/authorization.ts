import type { HttpFailure } from './failure.ts';

/** What `auth` becomes: a header, or a parameter of the address. */
export interface Authorization {
  header: { name: string; value: string } | null;
  query: { name: string; value: string } | null;
}

type Invalid = (field: string, got: string, allowed: string) => HttpFailure;

const forms =
  '{ type: "bearer", token }, { type: "basic", username, password } or { type: "apiKey", value, header or query }';

/** Throws HttpFailure `invalid_request`, in which nothing of the credentials is shown. */
export function readAuthorization(value: unknown, invalid: Invalid): Authorization {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('auth', 'no object', forms);
  const given = value as Record<string, unknown>;
  const text = (key: string): string => {
    const found = given[key];
    if (typeof found === 'string' && found !== '') return found;
    throw invalid(`auth.${key}`, found === '' ? 'an empty text' : `a ${typeof found}`, 'a text');
  };
  const only = (...keys: string[]): void => {
    const unknown = Object.keys(given).find((key) => key !== 'type' && !keys.includes(key));
    if (unknown !== undefined) throw invalid(`auth.${unknown}`, 'an unknown field', keys.join(', '));
  };
  switch (given.type) {
    case 'bearer':
      only('token');
      return { header: { name: 'authorization', value: `Bearer ${text('token')}` }, query: null };
    case 'basic': {
      only('username', 'password');
      const username = text('username');
      // RFC 7617: the first colon ends the name.
      if (username.includes(':')) throw invalid('auth.username', 'a name with a colon', 'a name without one');
      const password = given.password === '' ? '' : text('password');
      const credentials = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
      return { header: { name: 'authorization', value: `Basic ${credentials}` }, query: null };
    }
    case 'apiKey': {
      only('value', 'header', 'query');
      if ((given.header === undefined) === (given.query === undefined)) {
        throw invalid('auth', 'both or none of "header" and "query"', 'the name of one of them');
      }
      const key = text('value');
      if (given.query !== undefined) return { header: null, query: { name: text('query'), value: key } };
      return { header: { name: text('header'), value: key }, query: null };
    }
    default:
      throw invalid('auth.type', 'another type', forms);
  }
}
