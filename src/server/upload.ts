/** Multipart bodies of triggers with `uploads`: files go to the workflow's folder piece by piece, and never through memory as a whole. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import type { FileArea } from '../files/file-area.ts';
import { FileFailure } from '../files/file-failure.ts';
import { parseFilePath } from '../files/file-path.ts';
import type { FileWriter } from '../files/file-writer.ts';
import type { UploadRules } from '../workflow/compiled.ts';
import { type Problem, refusal } from './problem.ts';

/** What one upload holds in memory at one time: the parser's buffers, and its fields. */
export const uploadMemory = 512 * 1024;
/** What a multipart body may have beside its files: boundaries, headers of parts, fields. */
export const uploadOverheadMax = 1024 * 1024;

const fieldsMax = 100;
const fieldSizeMax = 64 * 1024;
const fieldsSizeMax = 256 * 1024;
const nameSizeMax = 255;

/** One file of an upload, as the workflow sees it in `input.body.files`. */
interface UploadedFile {
  /** Name of the form's field. */
  field: string;
  /** In the folder of the workflow. */
  path: string;
  /** As the client calls it: not to be trusted. */
  name: string;
  /** As the client says. */
  type: string;
  size: number;
  sha256: string;
}

export interface Upload {
  /** JSON text of `input.body`. */
  body: Buffer;
  /** Deletes the files: no execution came of the request. */
  discard(): Promise<void>;
}

/** Why an upload was not taken; nothing is left of its files. */
export class UploadRefused extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'UploadRefused';
    this.problem = problem;
  }
}

interface Received {
  field: string;
  name: string;
  type: string;
  writer: FileWriter;
}

/**
 * Reads a multipart body to its end. Rejects with UploadRefused.
 * @param signal aborted when the client has left.
 */
export async function receiveUpload(
  req: IncomingMessage,
  rules: UploadRules,
  area: FileArea,
  signal: AbortSignal,
): Promise<Upload> {
  const form = new Form(rules, area);
  try {
    await form.read(req, signal);
    return await form.keep();
  } catch (error) {
    await form.discard();
    if (error instanceof UploadRefused) throw error;
    throw new UploadRefused(problemOfFile(error));
  }
}

class Form {
  readonly #rules: UploadRules;
  readonly #area: FileArea;
  readonly #fields: Record<string, string | string[]> = Object.create(null);
  readonly #files: Promise<Received | null>[] = [];
  readonly #streams: Readable[] = [];
  readonly #writers: FileWriter[] = [];
  #fieldsSize = 0;
  #filesSize = 0;

  constructor(rules: UploadRules, area: FileArea) {
    this.#rules = rules;
    this.#area = area;
  }

  async read(req: IncomingMessage, signal: AbortSignal): Promise<void> {
    const parser = this.#createParser(req);
    const { promise: over, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void =>
      reject(new UploadRefused(refusal('request_timeout', 'The request ended before its body did.')));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const refuse = (problem: Problem): void => reject(new UploadRefused(problem));
    parser.on('field', (name, value, nameTruncated, valueTruncated) => {
      const problem = this.#addField(name, value, nameTruncated || valueTruncated);
      if (problem !== null) refuse(problem);
    });
    parser.on('file', (field, stream, name, _encoding, type) => {
      const received = this.#receive(stream, field, name, type);
      received.catch(reject);
      this.#files.push(received);
    });
    parser.on('filesLimit', () => refuse(tooMany(`${this.#rules.filesMax} files`)));
    parser.on('fieldsLimit', () => refuse(tooMany(`${fieldsMax} fields`)));
    parser.on('partsLimit', () => refuse(tooMany(`${this.#rules.filesMax} files and ${fieldsMax} fields`)));
    parser.on('error', (error) => refuse(malformed(error)));
    parser.on('finish', resolve);
    req.pipe(parser);
    try {
      await over;
      await Promise.all(this.#files);
    } catch (error) {
      req.unpipe(parser);
      for (const stream of this.#streams) stream.destroy();
      parser.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #createParser(req: IncomingMessage): BusboyInstance {
    const { filesMax } = this.#rules;
    try {
      return new Busboy({
        headers: req.headers as BusboyHeaders,
        limits: {
          files: filesMax,
          fields: fieldsMax,
          parts: filesMax + fieldsMax,
          fieldSize: fieldSizeMax,
          fieldNameSize: nameSizeMax,
          headerPairs: 20,
          headerSize: 8 * 1024,
        },
      });
    } catch (error) {
      throw new UploadRefused(malformed(error));
    }
  }

  #addField(name: string | undefined, value: string, isTruncated: boolean): Problem | null {
    if (name === undefined) return malformed(new Error('a field has no name'));
    this.#fieldsSize += name.length + value.length;
    if (isTruncated || this.#fieldsSize > fieldsSizeMax) {
      const limit = `${fieldSizeMax} bytes a field, ${fieldsSizeMax} all of them`;
      return refusal('body_too_large', `The fields beside the files are too long: ${limit} are accepted.`);
    }
    const known = this.#fields[name];
    if (known === undefined) this.#fields[name] = value;
    else if (typeof known === 'string') this.#fields[name] = [known, value];
    else known.push(value);
    return null;
  }

  /** Null for a field of a form in which no file was chosen. */
  async #receive(
    stream: Readable,
    field: string | undefined,
    name: string | undefined,
    type: string,
  ): Promise<Received | null> {
    const { sizeMax } = this.#rules;
    // Its errors come by the parser as well, which may end before anybody reads here.
    stream.on('error', () => {});
    this.#streams.push(stream);
    const writer = await this.#area.createWriter(sizeMax);
    this.#writers.push(writer);
    for await (const piece of stream) {
      this.#filesSize += (piece as Buffer).length;
      if (this.#filesSize > sizeMax) {
        throw new UploadRefused(
          refusal('body_too_large', `The files have more than ${sizeMax} bytes, which is what this address accepts.`),
        );
      }
      await writer.write(piece as Buffer);
    }
    if (writer.size === 0 && (name === undefined || name === '')) {
      await writer.discard();
      return null;
    }
    return { field: field ?? '', name: (name ?? '').slice(0, nameSizeMax), type: type.slice(0, nameSizeMax), writer };
  }

  /** Puts the files into their places. */
  async keep(): Promise<Upload> {
    const files: UploadedFile[] = [];
    const discard = async (): Promise<void> => {
      for (const { path } of files) await this.#area.delete(path).catch(() => false);
    };
    try {
      for (const received of await Promise.all(this.#files)) {
        if (received === null) continue;
        const { field, name, type, writer } = received;
        // A name of ours: the client's could be anything, and that of another file.
        const path = `uploads/${randomUUID()}${/\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? ''}`;
        const { size, sha256 } = await writer.place(path, parseFilePath(path), false);
        files.push({ field, path, name, type, size, sha256 });
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return { body: Buffer.from(JSON.stringify({ fields: this.#fields, files })), discard };
  }

  /** Removes what was received. */
  async discard(): Promise<void> {
    // One that is being opened is in the list only afterwards.
    await Promise.allSettled(this.#files);
    for (const writer of this.#writers) await writer.discard();
  }
}

function tooMany(allowed: string): Problem {
  return refusal('body_too_large', `The body has more parts than this address accepts: ${allowed}.`);
}

function malformed(error: unknown): Problem {
  const said = error instanceof Error ? error.message : String(error);
  return refusal('bad_body', `The body is not multipart/form-data: ${said}.`);
}

/** What a problem with a file is to a client. */
function problemOfFile(error: unknown): Problem {
  if (!(error instanceof FileFailure)) throw error;
  switch (error.reason) {
    case 'quota_exceeded':
      return refusal('quota_exceeded');
    case 'disk_full':
      return refusal('disk_full');
    case 'too_large':
      return refusal('body_too_large');
    default:
      return refusal('internal_error');
  }
}
