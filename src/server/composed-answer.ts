/** What goes on the wire for an execution's answer: the same, whichever way the request came in. */
import { randomUUID } from 'node:crypto';
import type { Answer } from '../engine/port.ts';
import type { HttpTrigger } from '../workflow/compiled.ts';
import { flattenHeaders } from './answer-headers.ts';
import { isActiveContent, isJsonType } from './media-type.ts';
import { type Problem, problemText, problemType, retryAfterOf } from './problem.ts';

export const executionIdHeader = 'nflow-execution-id';
export const requestIdHeader = 'nflow-request-id';
const htmlPolicy = 'sandbox allow-scripts allow-forms allow-popups';

export interface ComposedAnswer {
  status: number;
  /** Name, value, name, value …; without the content-length. */
  headers: string[];
  /** Null: without a body. */
  body: Uint8Array | null;
}

export function composeAnswer(answer: Answer, trigger: HttpTrigger): ComposedAnswer {
  const { status } = answer;
  const chosen = answer.headers === null ? null : flattenHeaders(answer.headers);
  const headers = chosen?.flat ?? [];
  const contentType = chosen?.contentType ?? 'application/json';
  if (chosen?.contentType != null) {
    headers.push('x-content-type-options', 'nosniff');
    if (trigger.sandboxHtml && isActiveContent(contentType)) headers.push('content-security-policy', htmlPolicy);
  }
  if (answer.executionId !== null) headers.push(executionIdHeader, answer.executionId);
  if (answer.body === null || status === 204 || status === 304) return { status, headers, body: null };
  headers.push('content-type', contentType);
  const body = contentType === 'application/json' || isJsonType(contentType) ? answer.body : textOf(answer.body);
  return { status, headers, body };
}

export function composeProblem(problem: Problem): ComposedAnswer & { body: Uint8Array } {
  const headers = ['content-type', problemType];
  let text: string;
  if (problem.executionId !== null) {
    headers.push(executionIdHeader, problem.executionId);
    text = problemText(problem);
  } else {
    const requestId = problem.requestId ?? randomUUID();
    headers.push(requestIdHeader, requestId);
    text = problemText({ ...problem, requestId });
  }
  const retryAfter = retryAfterOf(problem);
  if (retryAfter !== null) headers.push('retry-after', retryAfter);
  return { status: problem.status, headers, body: Buffer.from(text) };
}

/** A JSON string, under a content type that is not JSON, is meant as the text itself. */
function textOf(body: Uint8Array): Uint8Array {
  if (body[0] !== 0x22) return body;
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
    return typeof value === 'string' ? Buffer.from(value) : body;
  } catch {
    return body;
  }
}
