import { promisify } from 'node:util';
import { brotliDecompress, inflate, unzip, zstdDecompress } from 'node:zlib';
import type { WireResponse } from './exchange.ts';
import { errorCodeOf, HttpFailure } from './failure.ts';

/** The result of the effect `http`, as the guest kernel takes it. */
export interface HttpResult {
  status: number;
  /** Lower-case names. Repeated ones are joined with `, `; `set-cookie`, which cannot be, is always an array. */
  headers: Record<string, string | string[]>;
  /** `json` is text that calls itself JSON: the VM parses it. `none` is an empty body. */
  bodyKind: 'json' | 'text' | 'base64' | 'none';
  bodyText: string;
}

/**
 * Turns an answer into the JSON text that goes to the VM and into the journal. The body stays text: the gateway parses nothing
 * that a remote server chose. Rejects with HttpFailure `too_large` or `protocol`.
 */
export async function renderHttpResult(response: WireResponse, sizeMax: number): Promise<string> {
  const headers: HttpResult['headers'] = Object.create(null);
  for (const [name, value] of response.headers) {
    if (name === 'set-cookie') headers[name] = typeof value === 'string' ? [value] : value;
    else headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  if (response.saved !== null) {
    return JSON.stringify({
      status: response.status,
      headers,
      bodyKind: 'json',
      bodyText: JSON.stringify(response.saved),
    });
  }
  const body = await decompress(response.body, headers, sizeMax);
  const isEncoded = !['', 'identity'].includes(contentEncoding(headers));
  const content = isEncoded && body.length > 0 ? asBytes(body) : decode(body, headerText(headers['content-type']));
  const result: HttpResult = { status: response.status, headers, ...content };
  const json = JSON.stringify(result);
  // Controls take six characters each in JSON: a hostile 10 MiB would be 60 MiB in the journal.
  const jsonSizeMax = 2 * sizeMax + 128 * 1024;
  if (json.length > jsonSizeMax) {
    throw new HttpFailure(
      'too_large',
      `the answer is ${json.length} characters as JSON text, at most ${jsonSizeMax} are kept`,
    );
  }
  return json;
}

const decompressors: Record<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = {
  // `unzip` takes gzip and zlib's deflate alike.
  gzip: promisify<Buffer, { maxOutputLength: number }, Buffer>(unzip),
  'x-gzip': promisify<Buffer, { maxOutputLength: number }, Buffer>(unzip),
  deflate: promisify<Buffer, { maxOutputLength: number }, Buffer>(inflate),
  br: promisify<Buffer, { maxOutputLength: number }, Buffer>(brotliDecompress),
  zstd: promisify<Buffer, { maxOutputLength: number }, Buffer>(zstdDecompress),
};

/**
 * nFlow asks for answers as they are (`accept-encoding: identity`), but some servers compress whatever they are asked. The output
 * has the same limit as an answer that came plain: a bomb stops there.
 */
async function decompress(body: Buffer, headers: HttpResult['headers'], sizeMax: number): Promise<Buffer> {
  const encoding = contentEncoding(headers);
  const decompressor = Object.hasOwn(decompressors, encoding) ? decompressors[encoding] : undefined;
  // One that is not known, and several over one another, stay as they are: the workflow gets the bytes.
  if (decompressor === undefined || body.length === 0) return body;
  try {
    const plain = await decompressor(body, { maxOutputLength: sizeMax });
    // They describe bytes that nobody sees: a workflow that passes the headers on would lie.
    delete headers['content-encoding'];
    delete headers['content-length'];
    return plain;
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new HttpFailure('too_large', `the answer's body is larger than ${sizeMax} bytes once it is decompressed`);
    }
    throw new HttpFailure('protocol', `the answer says that it is ${encoding}, and is not (${code})`, false, error);
  }
}

function decode(body: Buffer, contentType: string): Pick<HttpResult, 'bodyKind' | 'bodyText'> {
  if (body.length === 0) return { bodyKind: 'none', bodyText: '' };
  const [type = ''] = contentType.toLowerCase().split(';', 1);
  const mediaType = type.trim();
  // RFC 8259: JSON is UTF-8, a charset has no meaning.
  if (isJson(mediaType)) return { bodyKind: 'json', bodyText: new TextDecoder().decode(body) };
  if (mediaType === '') return decodeUnlabelled(body);
  const decoder = isText(mediaType) ? decoderFor(contentType) : null;
  return decoder === null ? asBytes(body) : { bodyKind: 'text', bodyText: decoder.decode(body) };
}

function asBytes(body: Buffer): Pick<HttpResult, 'bodyKind' | 'bodyText'> {
  return { bodyKind: 'base64', bodyText: body.toString('base64') };
}

/** Small servers answer `ok` without a content type: valid UTF-8 is taken as text. */
function decodeUnlabelled(body: Buffer): Pick<HttpResult, 'bodyKind' | 'bodyText'> {
  try {
    return { bodyKind: 'text', bodyText: new TextDecoder('utf-8', { fatal: true }).decode(body) };
  } catch {
    return asBytes(body);
  }
}

function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === 'text/json' || mediaType.endsWith('+json');
}

const textTypes = new Set([
  'application/ecmascript',
  'application/graphql',
  'application/javascript',
  'application/ndjson',
  'application/sql',
  'application/toml',
  'application/x-javascript',
  'application/x-ndjson',
  'application/x-www-form-urlencoded',
  'application/x-yaml',
  'application/xml',
  'application/yaml',
]);

function isText(mediaType: string): boolean {
  return mediaType.startsWith('text/') || textTypes.has(mediaType) || /\+(xml|yaml|text)$/.test(mediaType);
}

/** By the charset that the content type names, UTF-8 without one; null for one that is not known, whose bytes are kept. */
function decoderFor(contentType: string): TextDecoder | null {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset);
  } catch {
    return null;
  }
}

function contentEncoding(headers: HttpResult['headers']): string {
  return headerText(headers['content-encoding']).trim().toLowerCase();
}

function headerText(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : '';
}
