import type { Program } from '../protocol/program.ts';
import type { ResourceUses } from '../protocol/resources.ts';

/** An HTTP trigger after validation. `path` is as written, without a trailing slash. */
export interface HttpTrigger {
  type: 'http';
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  path: string;
  /** Lower-case names of the request headers that `input.headers` shows. */
  headers: string[];
  cookies: string[];
  rawBody: boolean;
  /** False when the trigger opts out of the CSP sandbox for the HTML it answers. */
  sandboxHtml: boolean;
  /** Takes multipart bodies, whose files go to the workflow's folder; absent: they are refused. */
  uploads?: UploadRules;
  /** `none`: no page of another origin reads the answers; `configured`: those that `[cors]` names. */
  cors: CorsRules | 'none' | 'configured';
}

/** Which pages of other origins may read the answers of a trigger from a browser. */
export interface CorsRules {
  /** With `*` every one. */
  origins: string[];
  /** Request headers that they may set; with `*` every one. */
  headers: string[];
  /** Answer headers that they may read, beside those that are always shown. */
  exposedHeaders: string[];
  /** They may send cookies. */
  credentials: boolean;
  /** How long a browser may remember the answer to a preflight. */
  maxAgeMs: number;
}

export interface UploadRules {
  /** Bytes of all files of one request. */
  sizeMax: number;
  filesMax: number;
}

export interface ManualTrigger {
  type: 'manual';
}

/** What a version uses of the world around it. */
export interface Uses {
  /** Types of its nodes, sorted. */
  nodeTypes: string[];
  /** Kinds of effects that it can ask for, sorted. Where code hides which, all that code can ask for. */
  effects: string[];
  /** Names of `vars` that it mentions, sorted. Null when code hides which. */
  vars: string[] | null;
  /** Of `[datasources]` and the like. */
  resources: ResourceUses;
}

/** A workflow definition that passed validation, ready to be run. Made by `workflow/compile`. */
export interface CompiledWorkflow {
  name: string;
  description: string;
  triggers: (HttpTrigger | ManualTrigger)[];
  durability: 'durable' | 'recorded' | 'ephemeral';
  /** Wall time of an execution. */
  timeoutMs: number;
  /** Retention class of its executions; null: the default one. */
  historyClass: string | null;
  /** Runners are shared within a group only; null: the default one. */
  trustGroup: string | null;
  /** True when no node can issue an effect: HEAD may be answered. */
  effectFree: boolean;
  uses: Uses;
  program: Program;
  /**
   * Canonical JSON text of the definition with file contents inlined: what is published, compared and compiled again after a
   * restart. Compiling it gives the same program.
   */
  definitionText: string;
}

/** One finding of validation, in the form of `nflow validate --json`. Lines and columns are 1-based. */
export interface Finding {
  /** The file that the person has to edit: the workflow file, or a code file beside it. Relative to the working folder if below it. */
  file: string;
  /** JSON pointer into the workflow file. */
  pointer: string;
  /** In `file`; for code written inside the workflow file, in the code itself. */
  line: number;
  column: number;
  /** For code written inside the workflow file: where its text begins in `file`. */
  inlineAt?: { line: number; column: number };
  /** Short kebab-case code, such as `unknown-node`. */
  code: string;
  got: string;
  expected: string;
  /** One sentence for a person: what is wrong and what to do. */
  message: string;
}
