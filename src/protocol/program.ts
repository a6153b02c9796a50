/**
 * A program: what a workflow version compiles to. It is JSON, made by `workflow/compile`, shipped to runners as text and
 * turned into functions by the guest kernel inside the isolate. Nothing in it is trusted by the gateway.
 */

import type { RetryOptions } from './effect-options.ts';
import type { WebGlobal } from './web-globals.ts';

/** A synchronous JavaScript expression over `input nodes prev vars execution secrets error item index`. */
export interface Expression {
  /** The expression's source, types stripped, without braces. */
  source: string;
  /** JSON pointer of the field in the definition, for errors. */
  pointer: string;
  /** Names of the scope that the source mentions (all of them when it uses `eval` or `arguments`). */
  uses: ScopeName[];
}

export type ScopeName = 'input' | 'nodes' | 'prev' | 'vars' | 'execution' | 'secrets' | 'error' | 'item' | 'index';

/** A value with `{{ … }}` in it, taken apart at compile time. */
export type Template =
  | { kind: 'literal' /** JSON text */; json: string }
  /** The string was exactly one `{{ … }}`: it keeps its type. `reference` when it is just `prev` or `nodes.NAME`: the JSON text passes unparsed. */
  | { kind: 'expression'; expression: Expression; reference?: string }
  /** Text around expressions: null and undefined are empty, objects are JSON. */
  | { kind: 'text'; parts: (string | Expression)[] }
  | { kind: 'object'; entries: [key: string, value: Template][] }
  | { kind: 'array'; items: Template[] };

/** User code: the body of a function of `(input, ctx, nodes, prev)`, and of `error` where it mentions that. */
export interface Code {
  /** JavaScript: types are already replaced by blanks, so lines and columns are the author's. */
  source: string;
  /** The file that it came from (as written in the definition), else null. */
  file: string | null;
  /**
   * False only when it is certain that the code never waits, makes a promise or an effect: the kernel then runs it as a
   * plain function in the same crossing, which saves the second crossing that drains micro-tasks (about 3 us).
   */
  async: boolean;
  /** Parameters that the code mentions; the others are not even parsed. */
  uses: ('input' | 'ctx' | 'nodes' | 'prev' | 'error')[];
  /** Names that it imports, with the key of each in what the program's modules return. Left out where there are none. */
  imports?: { local: string; key: string }[];
}

interface NodeBase {
  name: string;
  /** The node to go on with when this one has failed; absent: the run fails. */
  onError?: string;
}

export type ProgramNode = NodeBase &
  (
    | { type: 'code'; code: Code; next: string | null }
    | { type: 'if'; condition: Expression; then: string | null; else: string | null }
    | { type: 'switch'; value: Expression | null; cases: SwitchCase[]; default: string | null }
    | { type: 'set'; values: Template; next: string | null }
    | {
        type: 'respond';
        status: Template;
        headers: Template | null;
        body: Template | null;
        /** Answers with a file instead of the body; absent for most. */
        file?: { path: Template; area: 'own' | 'shared' };
      }
    | { type: 'fail'; code: Template; message: Template; status: Template; details: Template | null }
    | { type: 'end'; output: Template | null }
    | {
        /** Every node that asks for one effect: `nodeType` is what its author calls it. */
        type: 'effect';
        nodeType: string;
        kind: string;
        /** An object by the names of the arguments: literal when nothing in it is computed. */
        arguments: Template;
        policy: EffectPolicy;
        next: string | null;
      }
  );

/** How the gateway performs a node's effect (`effect-options.ts`), with what is computed in the VM. */
export interface EffectPolicy {
  /** Of one attempt. */
  timeoutMs: number;
  retry: RetryOptions | null;
  cache: { ttlMs: number | null; key: Expression | null } | null;
  idempotencyKey: Expression | null;
  atMostOnce: boolean;
}

/** What the author calls the type of a node. */
export function nodeTypeOf(node: ProgramNode): string {
  return node.type === 'effect' ? node.nodeType : node.type;
}

/** `equals` is a template compared by value (JSON equality); `when` an expression whose truth decides. */
export type SwitchCase = { next: string | null } & ({ equals: Template } | { when: Expression });

export interface Program {
  workflow: string;
  start: string;
  nodes: ProgramNode[];
  /** JSON text of the values of `vars`, fixed when the program is compiled. */
  varsJson: string;
  /** Global names of the web platform that it may use, sorted: only these are bound in its VMs. */
  webGlobals: WebGlobal[];
  /** Kinds of effects whose guest part it needs, sorted: only these are bound in its VMs. */
  effectParts: string[];
  /** `shared`: runs follow each other in one realm that keeps nothing of them. `fresh`: each run has a realm of its own. */
  isolation: 'shared' | 'fresh';
  /**
   * The packages that its code imports: the body of a function that is run once in each realm and returns all that is imported. A VM
   * of such a program holds one unfinished run, since modules keep what they like. Left out where nothing is imported.
   */
  modules?: string;
}

/** Limits that the kernel enforces; the gateway checks again what it is sent. Sizes are in UTF-16 code units of JSON text. */
export interface GuestLimits {
  outputSizeMax: number;
  effectArgumentsSizeMax: number;
  effectsPerRunMax: number;
  parallelEffectsMax: number;
  /** Times that timers of a run fire. */
  timersPerRunMax: number;
  /** Timers of a run that have not fired yet. */
  parallelTimersMax: number;
  logsPerRunSizeMax: number;
  jsonDepthMax: number;
}
