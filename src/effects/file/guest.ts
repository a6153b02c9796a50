import type { EffectHost, EffectPart, EffectStep } from '../../guest/effect-host.ts';
import type { FileArea, FileBatch, FileEncoding, RowEncoding } from './arguments.ts';

/** `ctx.file`. Evaluated inside the isolate, see `guest/effect-host.ts`. */
export function createFilePart(host: EffectHost): EffectPart {
  const timeoutMsDefault = 30_000;
  const batchSizeDefault = 512 * 1024;
  const batchSizeMax = 16 * batchSizeDefault;
  const rowsPerBatchMax = 100_000;

  interface AreaOptions {
    area?: FileArea;
  }
  interface RowsOptions extends AreaOptions {
    format?: 'csv' | 'jsonl';
    header?: boolean | string[];
    delimiter?: string;
    batch?: number;
    encoding?: RowEncoding;
    batchBytes?: number;
  }
  /** Rows of a piece of text, and how much of it they take: the rest is an unfinished row. */
  interface ParsedRows {
    rows: unknown[];
    taken: number;
  }

  /** Issues the call; `undefined` in it is left out, so that its text is canonical. */
  const call = (step: EffectStep, operation: string, given: object, options: object | undefined): Promise<unknown> => {
    try {
      const argumentsJson = host.toJson({ operation, ...given }, operation);
      return step.issue('file', argumentsJson, host.optionsOf(options, timeoutMsDefault));
    } catch (error) {
      return Promise.reject(error);
    }
  };

  /** Bytes of a text in UTF-8; the text came out of it, so that surrogates are in pairs. */
  const byteLengthOf = (text: string, encoding: RowEncoding): number => {
    if (encoding === 'latin1') return text.length;
    let length = text.length;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit < 0x80) continue;
      // Of a pair of surrogates, each half counts two of the four bytes.
      length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
    }
    return length;
  };

  /** One row that holds a quote, from `at`. Null when the text ends in it. */
  const parseQuoted = (
    text: string,
    at: number,
    delimiter: string,
    isLast: boolean,
    row: number,
  ): { fields: string[]; next: number } | null => {
    const fields: string[] = [];
    let lineEnd = -1;
    for (;;) {
      let value = '';
      if (text[at] === '"') {
        at++;
        for (;;) {
          const quote = text.indexOf('"', at);
          if (quote === -1) {
            if (!isLast) return null;
            throw host.error(`row ${row}: a quote is not closed`);
          }
          value += text.slice(at, quote);
          at = quote + 1;
          if (text[at] !== '"') break;
          value += '"';
          at++;
        }
        if (text[at] === '\r' && (text[at + 1] === '\n' || at + 1 === text.length)) at++;
        fields.push(value);
        if (text[at] === delimiter) {
          at++;
          continue;
        }
        if (at >= text.length) return isLast ? { fields, next: at } : null;
        if (text[at] === '\n') return { fields, next: at + 1 };
        throw host.error(
          `row ${row}: after a closing quote comes ${host.textOf(text[at])}, and no ${host.textOf(delimiter)}`,
        );
      }
      if (lineEnd < at) {
        lineEnd = text.indexOf('\n', at);
        if (lineEnd === -1) {
          if (!isLast) return null;
          lineEnd = text.length;
        }
      }
      const line = text.slice(at, lineEnd);
      const end = line.indexOf(delimiter);
      if (end === -1) {
        fields.push(line.endsWith('\r') ? line.slice(0, -1) : line);
        return { fields, next: lineEnd + 1 };
      }
      fields.push(line.slice(0, end));
      at += end + 1;
    }
  };

  const parseCsv = (text: string, isLast: boolean, delimiter: string, rowsBefore: number): ParsedRows => {
    const rows: string[][] = [];
    let at = 0;
    while (at < text.length) {
      let end = text.indexOf('\n', at);
      if (end === -1) {
        if (!isLast) break;
        end = text.length;
      }
      const line = text.slice(at, end > at && text[end - 1] === '\r' ? end - 1 : end);
      if (!line.includes('"')) {
        if (line !== '') rows.push(line.split(delimiter));
        at = end + 1;
        continue;
      }
      const row = parseQuoted(text, at, delimiter, isLast, rowsBefore + rows.length + 1);
      if (row === null) break;
      rows.push(row.fields);
      at = row.next;
    }
    return { rows, taken: Math.min(at, text.length) };
  };

  const parseLines = (text: string, rowsBefore: number): ParsedRows => {
    const rows: unknown[] = [];
    for (const line of text.split('\n')) {
      if (line === '' || line.trim() === '') continue;
      try {
        rows.push(JSON.parse(line));
      } catch (error) {
        throw host.error(`row ${rowsBefore + rows.length + 1} is not JSON: ${(error as Error).message}`);
      }
    }
    return { rows, taken: text.length };
  };

  const namesOf = (fields: string[]): string[] => {
    const seen = new Set<string>();
    for (const name of fields) {
      if (name === '__proto__' || seen.has(name)) {
        const what = seen.has(name) ? 'there twice' : 'called __proto__';
        throw host.error(
          `the header has a column ${host.textOf(name)} that is ${what}; use header: false, or name the columns`,
        );
      }
      seen.add(name);
    }
    return fields;
  };

  class GuestRows {
    readonly #step: EffectStep;
    readonly #path: string;
    readonly #area: FileArea | undefined;
    readonly #format: 'csv' | 'jsonl';
    readonly #delimiter: string;
    readonly #encoding: RowEncoding | undefined;
    readonly #perBatch: number | null;
    readonly #sizeDefault: number;
    readonly #options: object;
    #header: boolean;
    #names: string[] | null = null;
    #ready: unknown[] = [];
    #readyAt = 0;
    #offset = 0;
    #version: string | undefined;
    #rows = 0;
    #size = 0;
    #isOver = false;

    constructor(step: EffectStep, path: string, options: RowsOptions) {
      const { format = 'csv', header = true, delimiter = ',', batch, batchBytes = batchSizeDefault } = options;
      if (format !== 'csv' && format !== 'jsonl') {
        throw host.error(`format must be csv or jsonl; got ${host.textOf(format)}`);
      }
      if (typeof delimiter !== 'string' || delimiter.length !== 1 || '"\r\n'.includes(delimiter)) {
        throw host.error(`delimiter must be one character, and no quote or line end; got ${host.textOf(delimiter)}`);
      }
      if (batch !== undefined && !(Number.isInteger(batch) && batch >= 1 && batch <= rowsPerBatchMax)) {
        throw host.error(`batch must be a whole number from 1 to ${rowsPerBatchMax}; got ${host.textOf(batch)}`);
      }
      if (!(Number.isInteger(batchBytes) && batchBytes >= 1024 && batchBytes <= batchSizeMax)) {
        throw host.error(
          `batchBytes must be a whole number from 1024 to ${batchSizeMax}; got ${host.textOf(batchBytes)}`,
        );
      }
      this.#step = step;
      this.#path = path;
      this.#area = options.area;
      this.#format = format;
      this.#delimiter = delimiter;
      this.#encoding = options.encoding;
      this.#perBatch = batch ?? null;
      this.#sizeDefault = batchBytes;
      this.#options = options;
      this.#header = format === 'csv' && header === true;
      if (format === 'csv' && Array.isArray(header)) this.#names = namesOf(header);
    }
    /** How far the reading has come, in bytes of the file. */
    get progress(): { bytes: number; size: number } {
      return { bytes: this.#offset, size: this.#size };
    }
    [Symbol.asyncIterator](): this {
      return this;
    }
    async next(): Promise<{ value: unknown; done: boolean }> {
      const perBatch = this.#perBatch;
      if (perBatch === null) {
        while (this.#readyAt >= this.#ready.length && !this.#isOver) await this.#fetch();
        if (this.#readyAt >= this.#ready.length) return { value: undefined, done: true };
        return { value: this.#ready[this.#readyAt++], done: false };
      }
      const rows: unknown[] = [];
      while (rows.length < perBatch) {
        if (this.#readyAt >= this.#ready.length) {
          if (this.#isOver) break;
          await this.#fetch();
          continue;
        }
        const taken = this.#ready.slice(this.#readyAt, this.#readyAt + perBatch - rows.length);
        this.#readyAt += taken.length;
        for (const row of taken) rows.push(row);
      }
      return rows.length === 0 ? { value: undefined, done: true } : { value: rows, done: false };
    }
    async return(): Promise<{ value: unknown; done: boolean }> {
      this.#isOver = true;
      this.#ready = [];
      this.#readyAt = 0;
      return { value: undefined, done: true };
    }
    async #fetch(): Promise<void> {
      this.#ready = [];
      this.#readyAt = 0;
      for (let size = this.#sizeDefault; ; size = Math.min(batchSizeMax, size * 2)) {
        const given = {
          path: this.#path,
          area: this.#area,
          offset: this.#offset,
          size,
          encoding: this.#encoding,
          version: this.#version,
        };
        const batch = (await call(this.#step, 'batch', given, this.#options)) as FileBatch;
        this.#version = batch.version;
        this.#size = batch.size;
        const { rows, taken } =
          this.#format === 'jsonl'
            ? parseLines(batch.text, this.#rows)
            : parseCsv(batch.text, batch.isLast, this.#delimiter, this.#rows);
        if (rows.length === 0 && !batch.isLast && taken === 0) {
          if (size < batchSizeMax) continue;
          throw host.error(
            `${host.textOf(this.#path)}, row ${this.#rows + 1}: it is longer than ${batchSizeMax} bytes, or a quote is not closed`,
          );
        }
        const left = batch.text.slice(taken);
        this.#offset = batch.end - byteLengthOf(left, this.#encoding ?? 'text');
        this.#isOver = batch.isLast;
        this.#ready = this.#format === 'jsonl' ? rows : this.#named(rows as string[][]);
        this.#rows += rows.length;
        return;
      }
    }
    #named(rows: string[][]): unknown[] {
      let first = 0;
      if (this.#header && rows.length > 0) {
        this.#names = namesOf(rows[0] as string[]);
        this.#header = false;
        first = 1;
      }
      const names = this.#names;
      if (names === null) return rows;
      const objects: unknown[] = [];
      for (let at = first; at < rows.length; at++) {
        const fields = rows[at] as string[];
        if (fields.length !== names.length) {
          throw host.error(
            `row ${this.#rows + at + 1} has ${fields.length} fields, and there are ${names.length} columns; use header: false to read rows as they are`,
          );
        }
        const object: Record<string, string> = {};
        for (let column = 0; column < names.length; column++)
          object[names[column] as string] = fields[column] as string;
        objects.push(object);
      }
      return objects;
    }
  }
  host.close(GuestRows);

  class GuestFile {
    readonly #step: EffectStep;
    constructor(step: EffectStep) {
      this.#step = step;
    }
    read(
      path: string,
      options: AreaOptions & { encoding?: FileEncoding; offset?: number; length?: number } = {},
    ): Promise<unknown> {
      const { area, encoding, offset, length } = options;
      return call(this.#step, 'read', { path, area, encoding, offset, length }, options);
    }
    write(
      path: string,
      data: unknown,
      options: AreaOptions & { encoding?: FileEncoding; overwrite?: boolean } = {},
    ): Promise<unknown> {
      const { area, encoding, overwrite } = options;
      return call(this.#step, 'write', { path, area, data, encoding, overwrite }, options);
    }
    append(path: string, data: unknown, options: AreaOptions & { encoding?: FileEncoding } = {}): Promise<unknown> {
      const { area, encoding } = options;
      return call(this.#step, 'append', { path, area, data, encoding }, options);
    }
    list(path = '', options: AreaOptions & { after?: string; limit?: number } = {}): Promise<unknown> {
      const { area, after, limit } = options;
      return call(this.#step, 'list', { path, area, after, limit }, options);
    }
    stat(path: string, options: AreaOptions = {}): Promise<unknown> {
      return call(this.#step, 'stat', { path, area: options.area }, options);
    }
    delete(path: string, options: AreaOptions = {}): Promise<unknown> {
      return call(this.#step, 'delete', { path, area: options.area }, options);
    }
    rows(path: string, options: RowsOptions = {}): GuestRows {
      return new GuestRows(this.#step, path, options);
    }
  }
  host.close(GuestFile);

  return { member: (step) => new GuestFile(step) };
}
