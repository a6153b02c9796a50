// biome-ignore-all lint/complexity/noArguments: Web IDL tells an argument that is missing from one that is undefined
import type { WebHost, WebPart } from './web-host.ts';

/** `Blob`, `File` (File API, sections 3 and 4) and `FormData` (XHR, section 4), without streams. Evaluated inside the isolate, see `web-host.ts`. */
export function createBlob(
  host: WebHost,
  { encodeUtf8, decodeUtf8 }: { encodeUtf8: (text: string) => Uint8Array; decodeUtf8: (bytes: Uint8Array) => string },
): WebPart {
  const { isView } = ArrayBuffer;

  let bytesOfBlob: (blob: Blob) => Uint8Array<ArrayBuffer>;
  let createFrom: (bytes: Uint8Array<ArrayBuffer>, type: string) => Blob;

  class Blob {
    static {
      bytesOfBlob = (blob) => blob.#bytes;
      createFrom = (bytes, type) => {
        const blob = new Blob();
        blob.#bytes = bytes;
        blob.#type = type;
        return blob;
      };
    }
    #bytes = new Uint8Array(0);
    #type: string;

    constructor(parts: Iterable<unknown> = [], options: { type?: unknown } = {}) {
      if (typeof parts !== 'object' || parts === null) throw new TypeError('a Blob is made of a list of parts');
      const type = options?.type === undefined ? '' : `${options.type as string}`;
      this.#type = /[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase();
      const pieces = [...parts].map(bytesOfPart);
      this.#bytes = joined(pieces);
    }
    get size(): number {
      return this.#bytes.length;
    }
    get type(): string {
      return this.#type;
    }
    async text(): Promise<string> {
      return decodeUtf8(this.#bytes);
    }
    async arrayBuffer(): Promise<ArrayBuffer> {
      return this.#bytes.slice().buffer;
    }
    async bytes(): Promise<Uint8Array> {
      return this.#bytes.slice();
    }
    slice(start = 0, end: number = this.#bytes.length, type: unknown = ''): Blob {
      return createFrom(this.#bytes.slice(start, end), `${type as string}`.toLowerCase());
    }
    get [Symbol.toStringTag](): string {
      return 'Blob';
    }
  }

  const bytesOfPart = (part: unknown): Uint8Array => {
    if (part instanceof Blob) return bytesOfBlob(part);
    if (isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    if (part instanceof ArrayBuffer) return new Uint8Array(part);
    return encodeUtf8(`${part as string}`);
  };

  const joined = (pieces: Uint8Array[]): Uint8Array<ArrayBuffer> => {
    let size = 0;
    for (const piece of pieces) size += piece.length;
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  };

  class File extends Blob {
    readonly #name: string;
    readonly #lastModified: number;
    constructor(parts: Iterable<unknown>, name: unknown, options: { type?: unknown; lastModified?: unknown } = {}) {
      if (arguments.length < 2) throw new TypeError('a File needs its parts and a name');
      super(parts, options);
      this.#name = `${name as string}`;
      this.#lastModified =
        options?.lastModified === undefined ? host.nowMs() : Math.trunc(Number(options.lastModified));
    }
    get name(): string {
      return this.#name;
    }
    get lastModified(): number {
      return this.#lastModified;
    }
    override get [Symbol.toStringTag](): string {
      return 'File';
    }
  }

  type Entry = [name: string, value: string | File];
  const entryOf = (name: unknown, value: unknown, fileName: unknown): Entry => {
    const key = `${name as string}`.toWellFormed();
    if (!(value instanceof Blob)) return [key, `${value as string}`.toWellFormed()];
    if (value instanceof File && fileName === undefined) return [key, value];
    const called = fileName === undefined ? 'blob' : `${fileName as string}`;
    return [key, new File([value], called, { type: value.type })];
  };

  class FormData {
    #entries: Entry[] = [];
    append(name: unknown, value: unknown, fileName?: unknown): void {
      if (arguments.length < 2) throw new TypeError('append needs a name and a value');
      this.#entries.push(entryOf(name, value, fileName));
    }
    set(name: unknown, value: unknown, fileName?: unknown): void {
      if (arguments.length < 2) throw new TypeError('set needs a name and a value');
      const entry = entryOf(name, value, fileName);
      const at = this.#entries.findIndex(([one]) => one === entry[0]);
      if (at < 0) {
        this.#entries.push(entry);
        return;
      }
      this.#entries[at] = entry;
      this.#entries = this.#entries.filter(([one], i) => one !== entry[0] || i === at);
    }
    delete(name: unknown): void {
      this.#entries = this.#entries.filter(([one]) => one !== `${name as string}`);
    }
    get(name: unknown): string | File | null {
      return this.#entries.find(([one]) => one === `${name as string}`)?.[1] ?? null;
    }
    getAll(name: unknown): (string | File)[] {
      return this.#entries.filter(([one]) => one === `${name as string}`).map(([, value]) => value);
    }
    has(name: unknown): boolean {
      return this.#entries.some(([one]) => one === `${name as string}`);
    }
    forEach(callback: (value: string | File, name: string, form: FormData) => void, self?: unknown): void {
      for (const [name, value] of this) callback.call(self, value, name, this);
    }
    *entries(): IterableIterator<Entry> {
      for (let i = 0; i < this.#entries.length; i++) yield [...(this.#entries[i] as Entry)];
    }
    *keys(): IterableIterator<string> {
      for (let i = 0; i < this.#entries.length; i++) yield (this.#entries[i] as Entry)[0];
    }
    *values(): IterableIterator<string | File> {
      for (let i = 0; i < this.#entries.length; i++) yield (this.#entries[i] as Entry)[1];
    }
    [Symbol.iterator](): IterableIterator<Entry> {
      return this.entries();
    }
    get [Symbol.toStringTag](): string {
      return 'FormData';
    }
  }

  /** As `multipart/form-data` (HTML, section 4.10.21.8). The boundary is random: no value can close its part. */
  const encodeForm = (form: FormData): { bytes: Uint8Array<ArrayBuffer>; type: string } => {
    let mark = '';
    for (let i = 0; i < 4; i++) mark += host.randomWord().toString(16).padStart(8, '0');
    const boundary = `----nflow-${mark}`;
    const escaped = (name: string): string => name.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22');
    const pieces: Uint8Array[] = [];
    for (const [name, value] of form) {
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(name)}"`;
      if (typeof value === 'string') {
        pieces.push(encodeUtf8(`${head}\r\n\r\n${value.replace(/\r\n|\r|\n/g, '\r\n')}\r\n`));
        continue;
      }
      const type = value.type === '' ? 'application/octet-stream' : value.type;
      pieces.push(encodeUtf8(`${head}; filename="${escaped(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`));
      pieces.push(bytesOfBlob(value), encodeUtf8('\r\n'));
    }
    pieces.push(encodeUtf8(`--${boundary}--\r\n`));
    return { bytes: joined(pieces), type: `multipart/form-data; boundary=${boundary}` };
  };

  return {
    globals: { Blob, File, FormData },
    shared: {
      bytesOfBlob: (blob: Blob) => bytesOfBlob(blob),
      createBlob: (bytes: Uint8Array<ArrayBuffer>, type: string) => createFrom(bytes, type),
      encodeFormData: encodeForm,
    },
  };
}
