/**
 * Values between PostgreSQL and JSON, without loss: what a JSON number cannot hold becomes a text that PostgreSQL reads back as it is.
 * Results come in PostgreSQL's text format and leave as JSON text, so that nothing is made into a value on the way.
 */

/** Of a column: PostgreSQL's text to JSON text. */
export type WriteJson = (text: string) => string;

const asText: WriteJson = (text) => JSON.stringify(text);
/** The text is JSON itself. */
const asIs: WriteJson = (text) => text;
/** JSON has no NaN and no infinity. */
const asFloat: WriteJson = (text) => (/^[+-]?\d/.test(text) ? text : asText(text));
const asBoolean: WriteJson = (text) => (text === 't' ? 'true' : 'false');
/** `2031-06-15 12:00:00.5+00` is `2031-06-15T12:00:00.5Z`; `infinity` and years before Christ stay as they are. */
const asTimestamp: WriteJson = (text) => asText(text.replace(/^(\d{4,}-\d\d-\d\d) /, '$1T').replace(/\+00$/, 'Z'));
const asBase64: WriteJson = (text) => `"${Buffer.from(text.slice(2), 'hex').toString('base64')}"`;

/** By PostgreSQL's numbers of types (`pg_type.dat`): the type, and the array of it. What is not here is shown as text. */
const types: readonly [oid: number, arrayOid: number, write: WriteJson][] = [
  [16, 1000, asBoolean],
  [17, 1001, asBase64],
  [18, 1002, asText], // "char"
  [19, 1003, asText], // name
  [20, 1016, asText], // int8
  [21, 1005, asIs], // int2
  [23, 1007, asIs], // int4
  [25, 1009, asText],
  [26, 1028, asIs], // oid
  [114, 199, asIs], // json
  [700, 1021, asFloat],
  [701, 1022, asFloat],
  [790, 791, asText], // money
  [869, 1041, asText], // inet
  [650, 651, asText], // cidr
  [1042, 1014, asText], // char(n)
  [1043, 1015, asText], // varchar
  [1082, 1182, asText], // date
  [1083, 1183, asText], // time
  [1114, 1115, asTimestamp],
  [1184, 1185, asTimestamp],
  [1186, 1187, asText], // interval
  [1266, 1270, asText], // timetz
  [1700, 1231, asText], // numeric
  [2950, 2951, asText], // uuid
  [3802, 3807, asIs], // jsonb
];

const writers = new Map<number, WriteJson>();
for (const [oid, arrayOid, write] of types) {
  writers.set(oid, write);
  writers.set(arrayOid, (text) => arrayJson(text, write));
}

/** How columns of a type are written. */
export function writerOf(typeOid: number): WriteJson {
  return writers.get(typeOid) ?? asText;
}

/** `{1,NULL,"a \"b\""}`, nested for more dimensions; one with bounds of its own begins with `[2:3]=`. */
function arrayJson(text: string, write: WriteJson): string {
  let at = text.indexOf('{');
  const readItems = (): string => {
    const items: string[] = [];
    at++;
    while (at < text.length && text[at] !== '}') {
      if (text[at] === ',') at++;
      items.push(text[at] === '{' ? readItems() : readItem());
    }
    at++;
    return `[${items.join(',')}]`;
  };
  const readItem = (): string => {
    if (text[at] !== '"') {
      const start = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '}') at++;
      const word = text.slice(start, at);
      return word === 'NULL' ? 'null' : write(word);
    }
    let value = '';
    for (at++; at < text.length && text[at] !== '"'; at++) {
      if (text[at] === '\\') at++;
      value += text[at];
    }
    at++;
    return write(value);
  };
  return readItems();
}

/** A parameter in PostgreSQL's text format. An array is one of PostgreSQL's, an object JSON. Null for null. */
export function parameterText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return arrayText(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function arrayText(items: readonly unknown[]): string {
  const texts = items.map((item) => {
    if (Array.isArray(item)) return arrayText(item);
    const text = parameterText(item);
    return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${texts.join(',')}}`;
}
