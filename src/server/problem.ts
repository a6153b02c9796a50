/** Errors as clients see them: RFC 9457 problem details. What user code said is never in them, but for the `fail` node's words. */
import { type ErrorCode, errorKinds, type NflowError } from '../errors.ts';

export const problemType = 'application/problem+json';

/** One wrong place in what the client sent. */
export interface ProblemItem {
  /** JSON pointer, or the name of a parameter. */
  pointer: string;
  got: string;
  expected: string;
  /** Of a finding in a workflow: its code, a sentence, and its place, as in `workflow/compiled`. */
  code?: string;
  message?: string;
  file?: string;
  line?: number;
  column?: number;
  inlineAt?: { line: number; column: number };
}

export interface Problem {
  code: ErrorCode;
  status: number;
  detail: string;
  executionId: string | null;
  requestId: string | null;
  errors: ProblemItem[];
  /** `unknown` when it is not known whether the execution was committed. */
  outcome: 'unknown' | null;
  /** What a `fail` node says beside its message. */
  failure: { reason?: unknown; details?: unknown } | null;
  /** Instead of a second. */
  retryAfterSeconds: number | null;
}

/** What to tell a client by the code alone. */
const details: Record<ErrorCode, string> = {
  bad_body: 'The body is not what its content type says. Send valid JSON, in UTF-8.',
  invalid_input: 'The request is not what this address accepts.',
  unauthorized: 'Send valid credentials.',
  forbidden: 'This is not allowed.',
  not_found: 'No workflow and no page answers at this address.',
  method_not_allowed: 'The address exists and does not answer this method; Allow names those that it answers.',
  request_timeout: 'The request did not arrive in time. Send it again, faster.',
  conflict: 'The request conflicts with the state of what it names.',
  run_cancelled: 'The execution was cancelled before it ended.',
  body_too_large: 'The body is larger than this server accepts.',
  uri_too_long: 'The address is longer than this server accepts.',
  unsupported_media_type: 'The body is of a type, charset or encoding that this address does not accept.',
  workflow_failed: 'The workflow ended in failure.',
  idempotency_mismatch: 'This idempotency key was used with another body.',
  too_many_requests: 'Too many requests. Send it again after the time in Retry-After.',
  headers_too_large: 'The headers are larger than this server accepts.',
  node_failed: 'A node of the workflow failed. The history of the execution says which one and why.',
  nondeterministic: 'The workflow did something else when it was resumed. The history of the execution says what.',
  result_not_json: 'A node returned what JSON cannot hold. The history of the execution says which one.',
  output_too_large: 'A result is larger than allowed. The history of the execution says which one.',
  run_crashed: 'The execution used up its VM, and was ended. The history of the execution says how.',
  switch_no_match: 'No case of a switch matched and it has no default. The history of the execution says which one.',
  not_granted: 'The workflow may not use something that it asked for. The history of the execution says what.',
  internal_error: 'nFlow failed to answer. The log of the server says why.',
  not_available: 'This is not available in this version.',
  effect_failed: 'Something that the workflow called failed. The history of the execution says what.',
  effect_outcome_unknown: 'It is not known whether something that the workflow called took place.',
  pool_exhausted: 'Every VM is busy. Send it again after the time in Retry-After.',
  queue_full: 'The server holds as much work as it can. Send it again after the time in Retry-After.',
  circuit_open: 'The workflow crashed too often and is paused. Send it again after the time in Retry-After.',
  quota_exceeded:
    'The folder of the workflow holds as much as it may. It has to delete files first, or its operator raises the limit.',
  disk_full: 'The disk of the server is full. Send it again once its operator has made room.',
  store_unavailable: 'The database does not answer. Send it again after the time in Retry-After.',
  draining: 'The server is stopping. Send it again after the time in Retry-After; another server may take it.',
  run_timed_out: 'The execution took longer than its limit, and was ended.',
  invalid_workflow: 'The workflow is not valid.',
  invalid_config: 'The configuration is not valid.',
};

/** Seconds after which a refused request may be sent again. */
export const retryAfterSeconds = '1';

/** The value of `Retry-After`, or null for an error that sending again does not cure. */
export function retryAfterOf(problem: Problem): string | null {
  if (!isRetryable(problem.code)) return null;
  return problem.retryAfterSeconds === null ? retryAfterSeconds : String(problem.retryAfterSeconds);
}

/** A refusal of the server itself: nothing has run. `detail` is for the client and names the limit. */
export function refusal(code: ErrorCode, detail: string = details[code], errors: ProblemItem[] = []): Problem {
  return {
    code,
    status: errorKinds[code].status,
    detail,
    executionId: null,
    requestId: null,
    errors,
    outcome: null,
    failure: null,
    retryAfterSeconds: null,
  };
}

/** How an execution that did not succeed is answered. Only the `fail` node's own words reach the client. */
export function problemOf(error: NflowError, executionId: string | null): Problem {
  const { code } = error;
  const { pointer, got, expected, retryAfterMs } = error.details;
  const isAboutInput = code === 'bad_body' || code === 'invalid_input';
  return {
    code,
    status: error.status,
    detail: code === 'workflow_failed' && error.message !== '' ? error.message : details[code],
    executionId,
    requestId: null,
    errors:
      isAboutInput && got !== undefined && expected !== undefined ? [{ pointer: pointer ?? '', got, expected }] : [],
    outcome: code === 'store_unavailable' && got === 'outcome unknown' ? 'unknown' : null,
    failure: code === 'workflow_failed' ? failureWords(error.details.cause) : null,
    retryAfterSeconds: retryAfterMs === undefined ? null : Math.max(1, Math.ceil(retryAfterMs / 1000)),
  };
}

/** The engine hands the `code` and the `details` of a `fail` node on as the cause. */
function failureWords(cause: unknown): Problem['failure'] {
  if (typeof cause !== 'object' || cause === null || cause instanceof Error) return null;
  const { reason, details: failureDetails } = cause as { reason?: unknown; details?: unknown };
  return { reason, details: failureDetails };
}

export function problemText(problem: Problem): string {
  const { code, status, detail, executionId, requestId, errors, outcome, failure } = problem;
  return JSON.stringify({
    type: `urn:nflow:error:${code}`,
    title: errorKinds[code].title,
    status,
    detail,
    code,
    ...(executionId === null ? {} : { executionId }),
    ...(requestId === null ? {} : { requestId }),
    ...(outcome === null ? {} : { outcome }),
    ...(errors.length === 0 ? {} : { errors }),
    reason: failure?.reason,
    details: failure?.details,
  });
}

/** True when the client should send the same again: the answer says when. */
export function isRetryable(code: ErrorCode): boolean {
  return errorKinds[code].class === 'retryable';
}
