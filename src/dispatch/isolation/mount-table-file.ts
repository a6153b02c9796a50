import { writeSync } from 'node:fs';
import { openMemoryFile } from '../memory-file.ts';
import { mountTable } from './own-root.ts';
import type { RunnerFiles } from './runner-files.ts';
import type { ToolPaths } from './tools.ts';

/** The mount table as an open file: `mount` reads none from a pipe. */
export function openMountTable(files: RunnerFiles, tools: ToolPaths): number {
  const fd = openMemoryFile('mounts');
  writeSync(fd, mountTable(files, tools), 0);
  return fd;
}
