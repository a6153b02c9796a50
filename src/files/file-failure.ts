/** What went wrong with a file: documented codes, the same in errors of effects and in refusals of uploads. */
export type FileReason =
  /** The path is none that files may have: absolute, `..`, a control character, too long. */
  | 'invalid_path'
  | 'not_found'
  /** There is a file already, and it was not to be replaced. */
  | 'exists'
  | 'not_a_file'
  | 'not_a_folder'
  /** The folder holds as much, or as many files, as the configuration allows. */
  | 'quota_exceeded'
  /** The disk of the server has no room. */
  | 'disk_full'
  | 'too_large'
  /** Bytes that are not UTF-8 were to be read as text. */
  | 'not_text'
  /** The file was replaced while it was read in pieces. */
  | 'changed'
  /** One row is longer than what is read at a time. */
  | 'row_too_large'
  | 'access_denied'
  | 'aborted'
  | 'io_error';

/** Why something could not be done with a file. `message` never holds a path of the host: only the path as the workflow named it. */
export class FileFailure extends Error {
  readonly reason: FileReason;
  /** True when the same call may succeed when it is repeated as it is. */
  readonly retryable: boolean;

  constructor(reason: FileReason, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FileFailure';
    this.reason = reason;
    this.retryable = options.retryable ?? false;
  }
}

/** The failure that a system error means for the path as the workflow named it. */
export function failureOfSystem(error: unknown, path: string): FileFailure {
  if (error instanceof FileFailure) return error;
  const shown = path === '' ? 'the file' : JSON.stringify(path);
  switch (systemCodeOf(error)) {
    case 'ENOENT':
      return new FileFailure('not_found', `there is no ${path === '' ? 'such file' : `file ${shown}`}`, {
        cause: error,
      });
    case 'EEXIST':
      return new FileFailure('exists', `there is a file ${shown} already, and "overwrite" is false`, { cause: error });
    case 'ELOOP':
      return new FileFailure('invalid_path', `${shown} goes through a symbolic link, which is not followed`, {
        cause: error,
      });
    case 'ENOTDIR':
      return new FileFailure('not_a_folder', `a part of ${shown} before the last is a file or a link, and no folder`, {
        cause: error,
      });
    case 'EISDIR':
    case 'ENOTEMPTY':
      return new FileFailure('not_a_file', `${shown} is a folder`, { cause: error });
    case 'ENXIO':
    case 'ENODEV':
      return new FileFailure('not_a_file', `${shown} is no regular file`, { cause: error });
    case 'ENAMETOOLONG':
      return new FileFailure('invalid_path', `${shown} has a name that is too long for the file system`, {
        cause: error,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new FileFailure('disk_full', 'the disk of the server is full. Make room, or move [files] root', {
        retryable: true,
        cause: error,
      });
    case 'EFBIG':
      return new FileFailure('too_large', `${shown} is larger than the file system allows`, { cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new FileFailure('access_denied', `the server may not do this in [files] root (${systemCodeOf(error)})`, {
        cause: error,
      });
    case 'EMFILE':
    case 'ENFILE':
      return new FileFailure('io_error', 'the server has too many files open', { retryable: true, cause: error });
    default:
      return new FileFailure('io_error', `${shown}: the file system says ${systemCodeOf(error)}`, { cause: error });
  }
}

export function systemCodeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
