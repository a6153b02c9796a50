import { Buffer } from 'node:buffer';
import { FileFailure } from './file-failure.ts';

export const filePathLimits = {
  /** UTF-16 code units of a path. */
  sizeMax: 1024,
  /** Bytes of one part in UTF-8: what file systems allow. */
  partSizeMax: 255,
  partsMax: 16,
} as const;

export const filePathExpected = `a path such as "reports/2026.csv": up to ${filePathLimits.partsMax} names with / between, not beginning with /, no "." or "..", no \\ and no control characters`;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const refusedCharacters = process.platform === 'win32' ? /[\u0000-\u001f\u007f\\<>:"|?*]/ : /[\u0000-\u001f\u007f\\]/;

/**
 * The parts of a path within a folder of files. Throws FileFailure `invalid_path`.
 * @param isFolder the path of a folder: it may be empty, for the folder that everything is in, and may end in `/`.
 */
export function parseFilePath(path: string, isFolder = false): string[] {
  const { sizeMax, partSizeMax, partsMax } = filePathLimits;
  if (path.length > sizeMax) throw invalid(`${path.length} characters`, `at most ${sizeMax}`);
  const text = isFolder && path.endsWith('/') ? path.slice(0, -1) : path;
  if (isFolder && text === '' && path === '') return [];
  const shown = JSON.stringify(path.slice(0, 200));
  // A lone surrogate would become another name on the way to the disk.
  if (refusedCharacters.test(text) || !text.isWellFormed()) throw invalid(shown, filePathExpected);
  const parts = text.split('/');
  if (parts.length > partsMax) throw invalid(`${parts.length} parts`, filePathExpected);
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') throw invalid(shown, filePathExpected);
    if (Buffer.byteLength(part) > partSizeMax) {
      throw invalid(`a name of ${Buffer.byteLength(part)} bytes`, `names of at most ${partSizeMax}`);
    }
  }
  return parts;
}

function invalid(got: string, allowed: string): FileFailure {
  return new FileFailure('invalid_path', `path: got ${got}, allowed is ${allowed}`);
}
