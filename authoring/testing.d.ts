/**
 * Tests of workflows without a server and without a database:
 *
 *     import { runWorkflow } from '@nflow-engine/nflow/testing';
 *
 *     const { status, output } = await runWorkflow('workflows/hello.workflow.ts', { input: { params: { name: 'Ada' } } });
 */
import type { Json } from './workflow.js';

/**
 * Runs a workflow file once, in a VM as a server has it. Rejects for a file with findings, told like `nflow validate` does; a workflow
 * that fails is a result.
 */
export function runWorkflow(file: string | URL, options?: RunOptions): Promise<RunResult>;

export interface RunOptions {
  /** Parts of `input`; the others are those of an empty request at the first HTTP trigger. */
  input?: Record<string, unknown>;
  /**
   * What effects give, by kind: a function of the call, or results that are given one after the other. A call without a stub fails,
   * and names itself; but `crypto` and `cache` are performed, and `sleep` is over at once and moves the clock.
   */
  effects?: Effects;
  /** Values of `vars`. */
  vars?: Record<string, string | number | boolean>;
  /** The time, which stands still. Default: that of the call. */
  now?: Date | string | number;
  /** The same one gives the same random numbers. Default: by chance. */
  seed?: string | number;
}

export interface Effects {
  http?: Stub<HttpCall, HttpResult>;
  [kind: string]: Stub<Json, Json> | undefined;
}

export type Stub<Call, Result> = ((call: Call) => Result | Promise<Result>) | readonly Result[];

export interface HttpCall {
  method: string;
  url: string;
  headers: Record<string, string | string[]> | null;
  query: Record<string, string | string[]> | null;
  /** JSON as its value. */
  body: Json;
}

export interface HttpResult {
  /** Default: 200. */
  status?: number;
  headers?: Record<string, string>;
  /** JSON, or a text. */
  body?: unknown;
}

export interface RunResult {
  status: 'succeeded' | 'failed' | 'timed_out' | 'cancelled' | 'crashed';
  /** Of the answer that a client would get. */
  httpStatus: number;
  headers: Record<string, string | string[]>;
  /** What a client would get; null when it failed. */
  output: Json;
  /** Null unless it failed. */
  error: RunError | null;
  steps: RunStep[];
  /** Calls of stubs, in the order in which they were made. */
  effects: { kind: string; call: unknown; result?: unknown; error?: string }[];
  logs: RunLog[];
}

export interface RunError {
  code: string;
  message: string;
  node?: string | null;
  /** In the author's file. */
  line?: number | null;
  column?: number | null;
  [key: string]: unknown;
}

export interface RunStep {
  path: string;
  node: string;
  type: string | null;
  status: string;
  output?: unknown;
  [key: string]: unknown;
}

export interface RunLog {
  level: string;
  text: string;
  [key: string]: unknown;
}
