/** Answers that are files: streamed from the disk as fast as the client takes them. */

import type { ServerResponse } from 'node:http';
import { extname } from 'node:path/posix';
import { pipeline } from 'node:stream/promises';
import type { Answer, AnswerFile } from '../engine/port.ts';
import type { OpenFile } from '../files/file-area.ts';
import { FileFailure } from '../files/file-failure.ts';
import type { FileRoot } from '../files/file-root.ts';
import type { CompiledWorkflow, HttpTrigger } from '../workflow/compiled.ts';
import { composeAnswer } from './composed-answer.ts';
import { slowReaderTimeoutMs } from './write-answer.ts';

/** Types by the end of the name, where the workflow says none. */
const typesByExtension: Readonly<Record<string, string>> = {
  '.csv': 'text/csv; charset=utf-8',
  '.gif': 'image/gif',
  '.gz': 'application/gzip',
  '.html': 'text/html; charset=utf-8',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.json': 'application/json',
  '.jsonl': 'application/jsonl',
  '.md': 'text/markdown; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webp': 'image/webp',
  '.xml': 'application/xml',
  '.zip': 'application/zip',
};

/** Whether a workflow may answer with files: such answers go the long way. */
export function answersFiles({ uses, program }: CompiledWorkflow): boolean {
  return (
    uses.effects.includes('file') && program.nodes.some((node) => node.type === 'respond' && node.file !== undefined)
  );
}

/** Rejects with FileFailure: when it is not the file any more that the program looked at, too. The caller closes it. */
export async function openAnswerFile(
  files: FileRoot | null,
  { workflow, area, path, version }: AnswerFile,
): Promise<OpenFile> {
  if (files === null) throw new FileFailure('not_found', 'there is no folder for files here');
  const file = await (await files.area(area, workflow)).open(path);
  if (file.version === version) return file;
  await file.handle.close();
  throw new FileFailure('changed', 'the file was changed before it was sent');
}

/**
 * Sends the file and closes it. Resolves when it has left; rejects when the client has, or when the file could not be read.
 * @param isHead only the headers are sent.
 */
export async function writeFileAnswer(
  res: ServerResponse,
  answer: Answer,
  trigger: HttpTrigger,
  file: OpenFile,
  options: { isHead: boolean; headers: (chosen: string[]) => string[] },
): Promise<void> {
  const { path } = answer.file as AnswerFile;
  try {
    const hasType = answer.headers !== null && Object.hasOwn(answer.headers, 'content-type');
    const type = typesByExtension[extname(path).toLowerCase()] ?? 'application/octet-stream';
    const composed = composeAnswer(
      {
        ...answer,
        body: Buffer.alloc(0),
        headers: hasType ? answer.headers : { ...answer.headers, 'content-type': type },
      },
      trigger,
    );
    const headers = options.headers(composed.headers);
    headers.push('content-length', String(file.size), 'last-modified', new Date(file.modifiedAtMs).toUTCString());
    res.writeHead(composed.status, headers);
    if (options.isHead || file.size === 0) {
      res.end();
      return;
    }
    // A client that takes nothing for this long is cut off: it holds a file open.
    res.setTimeout(slowReaderTimeoutMs, () => res.destroy());
    await pipeline(file.handle.createReadStream({ start: 0, end: file.size - 1, autoClose: false }), res);
  } finally {
    await file.handle.close();
  }
}
