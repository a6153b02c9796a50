import type { EffectTraits } from '../../protocol/effect-traits.ts';

export const fileTraits: EffectTraits = {
  kind: 'file',
  // Its own folder is granted to every workflow.
  resource: { kind: 'files', argument: 'area', nameDefault: 'own' },
  isCacheable: false,
  isConfined: false,
};

export const fileAreaNames = ['own', 'shared'] as const;
export const fileEncodings = ['text', 'base64', 'latin1'] as const;
/** Of the node `file`. */
export const fileNodeOperations = ['read', 'write', 'append', 'list', 'stat', 'delete'] as const;
/** `batch` is what `ctx.file.rows` is made of. */
export const fileOperations = [...fileNodeOperations, 'batch'] as const;
export const rowEncodings = ['text', 'latin1'] as const;

export type FileArea = (typeof fileAreaNames)[number];
export type FileEncoding = (typeof fileEncodings)[number];
export type RowEncoding = (typeof rowEncodings)[number];

export const fileLimits = {
  /** Bytes that one `read` gives: they live in the gateway, in the VM and in the journal. */
  readSizeMax: 8 * 1024 * 1024,
  /** Bytes of one batch of rows. */
  batchSizeDefault: 512 * 1024,
  batchSizeMax: 8 * 1024 * 1024,
  listMax: 1000,
  listDefault: 100,
} as const;

/** The arguments of the effect `file`, as code and nodes send them. What is left out has its default. */
export type FileArguments = { path?: string; area?: FileArea } & (
  | { operation: 'read'; encoding?: FileEncoding; offset?: number; length?: number }
  | { operation: 'write'; data: unknown; encoding?: FileEncoding; overwrite?: boolean }
  | { operation: 'append'; data: unknown; encoding?: FileEncoding }
  | { operation: 'list'; after?: string; limit?: number }
  | { operation: 'stat' | 'delete' }
  | { operation: 'batch'; offset: number; size: number; encoding?: RowEncoding; version?: string }
);

/** A piece of a file that ends where a line does. */
export interface FileBatch {
  text: string;
  /** Where the next piece begins, in bytes. */
  end: number;
  isLast: boolean;
  /** Bytes of the whole file. */
  size: number;
  version: string;
}
