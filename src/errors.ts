/**
 * Every error code of nFlow, once. The HTTP answer, the history, the CLI and the documentation are derived from this table.
 *
 * class says what to do next:
 *   client     the request is wrong; repeating it as it is fails again
 *   terminal   the execution has ended for good
 *   retryable  the server could not do it now; repeat after `Retry-After`
 *   internal   a defect of nFlow
 */
export type ErrorClass = 'client' | 'terminal' | 'retryable' | 'internal';

interface ErrorKind {
  readonly status: number;
  readonly class: ErrorClass;
  readonly title: string;
}

export const errorKinds = {
  bad_body: { status: 400, class: 'client', title: 'The body could not be read' },
  invalid_input: { status: 400, class: 'client', title: 'The input is not what the workflow accepts' },
  unauthorized: { status: 401, class: 'client', title: 'Authentication is needed' },
  forbidden: { status: 403, class: 'client', title: 'Not allowed' },
  not_found: { status: 404, class: 'client', title: 'Nothing answers here' },
  method_not_allowed: { status: 405, class: 'client', title: 'This path does not answer that method' },
  request_timeout: { status: 408, class: 'client', title: 'The request took too long to arrive' },
  conflict: { status: 409, class: 'client', title: 'It conflicts with what is there' },
  run_cancelled: { status: 409, class: 'terminal', title: 'The execution was cancelled' },
  body_too_large: { status: 413, class: 'client', title: 'The body is too large' },
  uri_too_long: { status: 414, class: 'client', title: 'The address is too long' },
  unsupported_media_type: { status: 415, class: 'client', title: 'The content type is not supported' },
  workflow_failed: { status: 422, class: 'terminal', title: 'The workflow ended in failure' },
  idempotency_mismatch: { status: 422, class: 'client', title: 'The idempotency key was used with another body' },
  too_many_requests: { status: 429, class: 'retryable', title: 'Too many requests' },
  headers_too_large: { status: 431, class: 'client', title: 'The headers are too large' },
  node_failed: { status: 500, class: 'terminal', title: 'A node of the workflow failed' },
  nondeterministic: { status: 500, class: 'terminal', title: 'The workflow did something else when it was resumed' },
  result_not_json: { status: 500, class: 'terminal', title: 'A result is not JSON' },
  output_too_large: { status: 500, class: 'terminal', title: 'A result is too large' },
  run_crashed: { status: 500, class: 'terminal', title: 'The execution crashed its VM' },
  switch_no_match: { status: 500, class: 'terminal', title: 'No case of a switch matched' },
  not_granted: { status: 500, class: 'terminal', title: 'The workflow may not use what it asked for' },
  internal_error: { status: 500, class: 'internal', title: 'nFlow failed' },
  not_available: { status: 501, class: 'client', title: 'Not available in this version' },
  effect_failed: { status: 502, class: 'terminal', title: 'An effect failed' },
  effect_outcome_unknown: { status: 502, class: 'terminal', title: 'It is not known whether an effect took place' },
  pool_exhausted: { status: 503, class: 'retryable', title: 'Every VM is busy' },
  queue_full: { status: 503, class: 'retryable', title: 'The queue is full' },
  circuit_open: { status: 503, class: 'retryable', title: 'The workflow crashed too often and is paused' },
  store_unavailable: { status: 503, class: 'retryable', title: 'The database is not available' },
  quota_exceeded: { status: 507, class: 'client', title: 'The folder of the workflow is full' },
  disk_full: { status: 507, class: 'retryable', title: 'The disk is full' },
  draining: { status: 503, class: 'retryable', title: 'The server is stopping' },
  run_timed_out: { status: 504, class: 'terminal', title: 'The execution took too long' },
  invalid_workflow: { status: 422, class: 'client', title: 'The workflow is not valid' },
  invalid_config: { status: 500, class: 'client', title: 'The configuration is not valid' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/** Where an error is: any part may be unknown. Lines and columns are 1-based, in the node's own code or in `file`. */
export interface ErrorPlace {
  workflow?: string;
  node?: string;
  file?: string;
  line?: number;
  column?: number;
  /** JSON pointer into the workflow file, the body or the configuration. */
  pointer?: string;
}

export interface ErrorDetails extends ErrorPlace {
  got?: string;
  expected?: string;
  remedy?: string;
  /** When the same may be tried again; else, for retryable errors, in a second. */
  retryAfterMs?: number;
  /** Overrides the table's HTTP status: only for `workflow_failed`. */
  status?: number;
  cause?: unknown;
}

/** An error with a code of the table, the place, what was got, what is allowed and what to do. `message` is for people. */
export class NflowError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'NflowError';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return this.details.status ?? errorKinds[this.code].status;
  }

  get retryable(): boolean {
    return errorKinds[this.code].class === 'retryable';
  }
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorKinds, code);
}
