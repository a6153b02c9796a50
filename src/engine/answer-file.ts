import type { Answer } from './port.ts';

/** Beside the headers of an answer the kernel names the file that is sent instead of a body. No author can: such names are left out. */
const fileHeader = 'nflow-file';

/**
 * The file that a run answers with. It comes out of a VM: whether the workflow may have it is judged by who opens it. Nothing when it
 * answers with none.
 */
export function parseAnswerFile(headersJson: string, workflow: string): Pick<Answer, 'file'> {
  if (!headersJson.includes(`"${fileHeader}"`)) return {};
  try {
    const headers = JSON.parse(headersJson) as Record<string, unknown>;
    const { path, area, version } = JSON.parse(String(headers[fileHeader])) as Record<string, unknown>;
    if (typeof path !== 'string' || typeof version !== 'string' || (area !== 'own' && area !== 'shared')) return {};
    return { file: { workflow, area, path, version } };
  } catch {
    return {};
  }
}
