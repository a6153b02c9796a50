import { randomBytes } from 'node:crypto';
import type { HttpFailure } from './failure.ts';

/** A body and the content type that says how to read it. */
export interface TypedBody {
  content: Buffer;
  contentType: string;
}

type Invalid = (field: string, got: string, allowed: string) => HttpFailure;

const partsMax = 1000;
const valueExpected = 'a text, number, boolean or null, or an array of them';
const partExpected =
  'an object with "name", and "value" (text or JSON) or "base64" (bytes), and maybe "filename" and "contentType"';

/** `application/x-www-form-urlencoded`. Throws HttpFailure `invalid_request`. */
export function encodeForm(value: unknown, invalid: Invalid): TypedBody {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('form', 'no object', 'an object of names and values');
  }
  const fields = new URLSearchParams();
  for (const [name, given] of Object.entries(value)) {
    for (const one of Array.isArray(given) ? given : [given]) {
      if (one === null) continue;
      if (typeof one === 'object') throw invalid(`form.${name}`, 'an object', valueExpected);
      fields.append(name, String(one));
    }
  }
  return { content: Buffer.from(fields.toString()), contentType: 'application/x-www-form-urlencoded' };
}

/** `multipart/form-data` (RFC 7578). Throws HttpFailure `invalid_request`. */
export function encodeMultipart(value: unknown, invalid: Invalid): TypedBody {
  if (!Array.isArray(value) || value.length === 0 || value.length > partsMax) {
    throw invalid('multipart', 'no list of parts', `a list of 1 to ${partsMax} parts, each ${partExpected}`);
  }
  // Random enough that no content has it.
  const boundary = `nflow-${randomBytes(18).toString('hex')}`;
  const pieces: Buffer[] = [];
  for (const [index, part] of value.entries()) {
    const { head, content } = encodePart(part, `multipart[${index}]`, invalid);
    pieces.push(Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), content, Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { content: Buffer.concat(pieces), contentType: `multipart/form-data; boundary=${boundary}` };
}

function encodePart(given: unknown, at: string, invalid: Invalid): { head: string; content: Buffer } {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid(at, 'no object', partExpected);
  const { name, value, base64, filename, contentType, ...others } = given as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid(`${at}.${unknown}`, 'an unknown field', partExpected);
  if (typeof name !== 'string' || name === '') throw invalid(`${at}.name`, 'no text', 'the name of the field');
  if ((value === undefined) === (base64 === undefined)) {
    throw invalid(at, 'both or none of "value" and "base64"', 'one of them');
  }
  let disposition = `form-data; name="${quoted(name)}"`;
  if (filename !== undefined) {
    if (typeof filename !== 'string') throw invalid(`${at}.filename`, `a ${typeof filename}`, 'a text');
    disposition += `; filename="${quoted(filename)}"`;
  }
  const typeByDefault =
    base64 !== undefined ? 'application/octet-stream' : typeof value === 'object' ? 'application/json' : null;
  const type = contentType ?? typeByDefault;
  if (type !== null && (typeof type !== 'string' || !/^[\x20-\x7e]{1,200}$/.test(type))) {
    throw invalid(`${at}.contentType`, 'no type', 'a type such as image/png');
  }
  const head = `Content-Disposition: ${disposition}${type === null ? '' : `\r\nContent-Type: ${type}`}`;
  return { head, content: base64 === undefined ? contentOf(value) : bytesOf(base64, at, invalid) };
}

function contentOf(value: unknown): Buffer {
  return Buffer.from(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

function bytesOf(base64: unknown, at: string, invalid: Invalid): Buffer {
  // Buffer.from skips what is not base64 and would send something else than was meant.
  if (typeof base64 !== 'string' || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw invalid(`${at}.base64`, 'text that is not base64', 'base64 with its padding');
  }
  return Buffer.from(base64, 'base64');
}

/** As browsers do it (HTML standard, multipart/form-data encoding algorithm). */
function quoted(text: string): string {
  return text.replace(/["\r\n]/g, (character) => encodeURIComponent(character));
}
