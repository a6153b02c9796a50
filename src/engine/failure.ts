import { type ErrorCode, errorKinds, isErrorCode, NflowError } from '../errors.ts';
import type { EndStatus } from '../store/port.ts';

/** How an execution ended without success: for the answer, and as JSON text for the history. */
export interface Failure {
  status: EndStatus;
  error: NflowError;
  json: string;
}

const historyTextMax = 64 * 1024;

/**
 * Reads the error that the guest kernel described. It comes out of a VM: only known codes of the terminal class are believed, and no
 * field is more than text or a number.
 */
export function failureFromGuest(errorJson: string, httpStatus: number, workflow: string): Failure {
  let described: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(errorJson);
    if (typeof parsed === 'object' && parsed !== null) described = parsed as Record<string, unknown>;
  } catch {
    // Whatever it was, the execution failed.
  }
  const code: ErrorCode =
    isErrorCode(described.code) && errorKinds[described.code].class === 'terminal' ? described.code : 'node_failed';
  const message = typeof described.message === 'string' ? described.message : 'the workflow failed';
  const error = new NflowError(code, message, {
    workflow,
    node: textOrNothing(described.node),
    line: numberOrNothing(described.line),
    column: numberOrNothing(described.column),
    pointer: textOrNothing(described.pointer),
    status: code === 'workflow_failed' && httpStatus >= 400 && httpStatus <= 599 ? httpStatus : undefined,
    cause:
      code === 'workflow_failed'
        ? { reason: described.reason, details: described.details }
        : { stack: textOrNothing(described.stack) },
  });
  return { status: 'failed', error, json: errorJson.length <= historyTextMax ? errorJson : describe(error) };
}

/** A failure that the engine itself found. */
export function failureOf(
  status: EndStatus,
  code: ErrorCode,
  message: string,
  workflow: string,
  remedy?: string,
): Failure {
  const error = new NflowError(code, message, { workflow, remedy });
  return { status, error, json: describe(error) };
}

function describe(error: NflowError): string {
  const { workflow, node, line, column, got, expected, remedy } = error.details;
  return JSON.stringify({
    code: error.code,
    message: error.message,
    workflow,
    node,
    line,
    column,
    got,
    expected,
    remedy,
  });
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, 1000) : undefined;
}

function numberOrNothing(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
