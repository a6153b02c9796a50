import type { FileArea } from '../../files/file-area.ts';
import { FileFailure } from '../../files/file-failure.ts';
import { parseFilePath } from '../../files/file-path.ts';
import type { FileRoot } from '../../files/file-root.ts';
import type { FileWriter, WrittenFile } from '../../files/file-writer.ts';
import type { ByteRedaction } from '../port.ts';
import { HttpFailure } from './failure.ts';

/** Where the body of an answer is saved, as the workflow says it (`saveTo`). */
export interface SaveTarget {
  /** In the workflow's own folder. */
  path: string;
  /** Bytes; null: as many as the folder may hold. */
  sizeMax: number | null;
}

/** Reads `saveTo` out of the arguments of a call: a path, or `{ path, maxSize }`. Throws HttpFailure `invalid_request`. */
export function parseSaveTarget(value: unknown): SaveTarget | null {
  if (value === undefined || value === null) return null;
  const { path, maxSize = null } = typeof value === 'string' ? { path: value } : (value as Record<string, unknown>);
  const isSize = maxSize === null || (Number.isSafeInteger(maxSize) && (maxSize as number) > 0);
  if (typeof path !== 'string' || !isSize) {
    const message =
      'saveTo: got something else, allowed is the path of a file, or { path, maxSize } in bytes. Nothing was sent';
    throw new HttpFailure('invalid_request', message);
  }
  try {
    parseFilePath(path);
  } catch (error) {
    throw new HttpFailure('invalid_request', `saveTo: ${(error as Error).message}. Nothing was sent`);
  }
  return { path, sizeMax: maxSize as number | null };
}

/** The body of an answer on its way into a file. What went wrong is told as an HttpFailure by every method. */
export class BodyFile {
  readonly #target: SaveTarget;
  readonly #writer: FileWriter;
  /** Takes secrets out that the answer repeats; null when the call had none. */
  readonly #redaction: ByteRedaction | null;

  private constructor(target: SaveTarget, writer: FileWriter, redaction: ByteRedaction | null) {
    this.#target = target;
    this.#writer = writer;
    this.#redaction = redaction;
  }

  static async open(
    files: FileRoot | null,
    workflow: string,
    target: SaveTarget,
    redaction: ByteRedaction | null = null,
  ): Promise<BodyFile> {
    if (files === null) throw new HttpFailure('file', 'saveTo: there is no folder for files here');
    return told(async () => {
      const area: FileArea = await files.area('own', workflow);
      return new BodyFile(target, await area.createWriter(target.sizeMax ?? Number.MAX_SAFE_INTEGER), redaction);
    });
  }

  write(piece: Uint8Array): Promise<void> {
    return told(() => this.#writer.write(this.#redaction?.push(piece) ?? piece));
  }

  /** The file is complete: it takes its place. */
  place(): Promise<WrittenFile> {
    const { path } = this.#target;
    return told(async () => {
      if (this.#redaction !== null) await this.#writer.write(this.#redaction.end());
      return this.#writer.place(path, parseFilePath(path), true);
    });
  }

  /** Removes what was written, unless it is in its place. Never rejects. */
  discard(): Promise<void> {
    return this.#writer.discard();
  }
}

async function told<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error;
    const reason =
      error.reason === 'too_large' || error.reason === 'quota_exceeded' || error.reason === 'disk_full'
        ? error.reason
        : 'file';
    throw new HttpFailure(reason, `the body could not be saved: ${error.message}`, error.retryable, error);
  }
}
