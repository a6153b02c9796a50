/** The engine, as the server and the CLI see it. */

import type { ProgramRef } from '../dispatch/port.ts';
import type { NflowError } from '../errors.ts';
import type { Durability, ExecutionStatus, TriggerKind } from '../store/port.ts';
import type { CompiledWorkflow } from '../workflow/compiled.ts';

/** A published version with its program loaded: what a route points to. */
export interface ActiveWorkflow {
  versionId: number;
  version: number;
  compiled: CompiledWorkflow;
  /** May be compiled when it is asked for first; throws NflowError `internal_error` when that fails. */
  readonly program: ProgramRef;
}

export interface ExecutionRequest {
  workflow: ActiveWorkflow;
  trigger: TriggerKind;
  /** JSON text of `input`; without `body` when `body` is given. */
  inputJson: string;
  /** JSON text of `input.body` as it arrived: it is checked in the VM (`bad_body`). Null when `inputJson` is whole. */
  body: Uint8Array | null;
  /** `performance.now()` when the request was complete: the start of its timeout and its timing. */
  receivedMs: number;
}

/** A file of the workflow's, as it was when the program looked at it. */
export interface AnswerFile {
  workflow: string;
  area: 'own' | 'shared';
  path: string;
  version: string;
}

/** What the caller answers. */
export interface Answer {
  /** Null when no execution exists (bad body, refused before its start). */
  executionId: string | null;
  /** 2xx to 5xx as the workflow chose, or the error's. */
  status: number;
  /** The workflow's own answer headers, already checked (names, values, no `nflow-*`, no hop-by-hop), or null. */
  headers: Record<string, string | string[]> | null;
  /** JSON text of the output, or null for an empty body. When the workflow set a content type other than JSON and the output is a JSON string, the server sends the string itself. */
  body: Uint8Array | null;
  /** A file to answer with instead of the body. */
  file?: AnswerFile;
  /** Set when the execution did not succeed; `body` is then null. */
  error: NflowError | null;
}

export interface Engine {
  /**
   * Runs one execution; `onAnswer` is called exactly once, when it may be answered (durable: after the commit).
   * Returns a function that tells the engine that the client has left.
   */
  execute(request: ExecutionRequest, onAnswer: (answer: Answer) => void): () => void;
  /** Executions in flight. */
  readonly inFlight: number;
  /** Refuses new executions with `draining`, resolves when the ones in flight have ended or `drainMs` is over. */
  drain(drainMs: number): Promise<void>;
}

/** An execution began (`running`) or has ended, as this gateway sees it. */
export interface ExecutionEvent {
  id: string;
  workflow: string;
  version: number;
  status: ExecutionStatus;
  durability: Durability;
  trigger: TriggerKind;
  /** Ms since the epoch. */
  startedAtMs: number;
  /** Null while it is running, like `httpStatus`. */
  durationMs: number | null;
  httpStatus: number | null;
  /** JSON text of the error as the history has it; null unless it failed. */
  errorJson: string | null;
}

export interface ExecutionEvents {
  /** Calls `listener` for each event from now on, in the middle of what it tells of: it must not take long, nor throw. Returns what ends it. */
  subscribe(listener: (event: ExecutionEvent) => void): () => void;
}

export interface EngineObserver {
  onExecution(workflow: string, durability: Durability, status: string, durationMs: number): void;
  onEffect(kind: string, durationMs: number, ok: boolean): void;
}
