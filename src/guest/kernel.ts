import type { EffectOptions, RetryOptions } from '../protocol/effect-options.ts';
import type {
  EffectPolicy,
  Expression,
  GuestLimits,
  Program,
  ProgramNode,
  ScopeName,
  SwitchCase,
  Template,
} from '../protocol/program.ts';
import type { EffectHost, EffectPart, EffectStep } from './effect-host.ts';
import type { HardenedRealm } from './harden.ts';
import type { Inspect } from './inspect.ts';
import type { RandomSource } from './random.ts';
import type { HostAnswer, HostExchange, HostRequest, WebHost, WebPart } from './web/web-host.ts';

/**
 * The guest kernel: drives a program inside the isolate. It is the only code that the host calls, with strings and numbers only,
 * and it answers with one string. It is evaluated from its source text, so it may use nothing from outside its own body.
 *
 * The host calls `start` or `deliver`, which run one segment; when the answer is '' the segment went on in micro-tasks, which have
 * run when the call is over, and `drain` gives the answer. The first line of an answer tells its kind and the lengths of what follows:
 *
 *   E failed httpStatus headers output error trace logs effects \n …   the run has ended
 *   S effects finished logs \n …                                        it waits for effects
 *   B \n message                                                        the body is not JSON; nothing has run
 *   M \n                                                                 from `drain`: there are micro-tasks again, drain once more
 */
export interface Kernel {
  /** Brings a part of the web platform: the source text of its function. Before `load`. */
  bind(partSource: string): void;
  /** Brings the guest part of an effect; `member` is its name in `ctx`, or ''. Before `load`. */
  bindEffect(kind: string, member: string, partSource: string): void;
  /** Compiles the program, and closes the realm. '' or the error as JSON text. */
  load(programJson: string): string;
  /** `protocol/crossing.ts` says what is in it. */
  start(packed: string): string;
  deliver(packed: string): string;
  drain(): string;
  /** As `drain`, when a promise was rejected in the segment and nobody looked at it: what was thrown, for the logs. */
  drainRejected(message: string): string;
  drop(run: number): void;
}

export interface KernelParts {
  createInspect: () => Inspect;
  createRandomSource: (seed: string, scope: string) => RandomSource;
  installClock: (nowMs: () => number, random: () => number) => void;
  hardenRealm: () => HardenedRealm;
}

export function createKernel(parts: KernelParts, limits: GuestLimits): Kernel {
  // ---- what the kernel needs of the realm, taken before anything can change it -------------------------------------------------
  const parse = JSON.parse;
  const stringify = JSON.stringify;
  const AsyncFunction = (async () => {}).constructor as unknown as (...source: string[]) => AnyFunction;
  const PlainFunction = Function as unknown as (...source: string[]) => AnyFunction;
  const { defineProperty, freeze, keys } = Object;
  const isArray = Array.isArray;
  const temporal = (globalThis as unknown as { Temporal: { Now: { instant(): { epochNanoseconds: bigint } } } })
    .Temporal;
  const realInstant = temporal.Now.instant;
  /** The isolate's only microsecond clock. It stays in here: guests see the segment's time. */
  const clockUs = (): number => Number(realInstant().epochNanoseconds % 1_000_000_000_000_000n) / 1000;

  type AnyFunction = (...values: unknown[]) => unknown;

  interface CompiledNode {
    definition: ProgramNode;
    /** Code nodes: the author's function. */
    run: AnyFunction | null;
    usesInput: boolean;
    usesCtx: boolean;
    usesNodes: boolean;
    usesPrev: boolean;
    usesError: boolean;
    /** JSON text of the node's name, for traces. */
    nameJson: string;
  }

  interface Timer {
    /** What the author knows it by. */
    id: number;
    /** What its firing is known by in the journal: negative, and a new one each time when it repeats. */
    seq: number;
    /** A long one is the effect `sleep`: its result fires it. */
    isEffect: boolean;
    effectSeq: number;
    callback: (...values: unknown[]) => unknown;
    values: unknown[];
    /** -1 when it fires once. */
    periodMs: number;
  }

  interface PendingEffect {
    resolve: (value: unknown) => void;
    reject: (reason: unknown) => void;
    decode: (json: string) => unknown;
  }

  interface Step {
    run: Run;
    node: CompiledNode;
    path: string;
    attempt: number;
    seq: number;
    open: boolean;
    failed: boolean;
    /** Of the step whose failure has led here. */
    errorJson: string | null;
    pending: Map<number, PendingEffect> | null;
    /** By `seq`. */
    timers: Map<number, Timer> | null;
    timerSeq: number;
    startMs: number;
    scope: Partial<Record<ScopeName, unknown>> | null;
    random: RandomSource | null;
    logIndex: number;
    /** What its code has put on `globalThis`. */
    globals: Map<PropertyKey, unknown> | null;
    /** Of `console.count` and `console.time`. */
    counts: Map<string, number> | null;
    timings: Map<string, number> | null;
    startUs: number;
  }

  interface Run {
    id: number;
    executionId: string;
    version: number;
    seed: string;
    inputJson: string;
    bodyJson: string | null;
    /** Parsed once to check it; the first step that asks for it takes it. */
    checkedBody: { value: unknown } | null;
    step: Step | null;
    outputs: Map<string, string>;
    prevJson: string | null;
    /** For the next step: why the one before it has failed. */
    errorJson: string | null;
    /** Entries without their output, and the outputs, in order. */
    traceEntries: string[];
    traceOutputs: string[];
    /** Index into the trace of the first entry that was not reported yet. */
    reported: number;
    effectCount: number;
    pendingCount: number;
    /** Timers set so far, and those that have not fired. */
    timerCount: number;
    pendingTimers: number;
    outbox: unknown[][] | null;
    logs: unknown[][] | null;
    logsSize: number;
    originUs: number;
    /** When the last step ended. */
    elapsedUs: number;
    answer: string | null;
    /** In `runs`: a run that ends in its first segment never is, since a map that grows and shrinks by one costs as much as a node. */
    isKept: boolean;
  }

  let program: Program;
  let compiled = new Map<string, CompiledNode>();
  let currentTimeMs = 0;
  let current: Run | null = null;
  /** While modules are evaluated: what `Math.random` takes from. */
  let moduleRandom: RandomSource | null = null;
  /** What modules put on `globalThis` while they were evaluated: each step begins with it. */
  let moduleGlobals: Map<PropertyKey, unknown> | null = null;
  const runs = new Map<number, Run>();

  // ---- errors --------------------------------------------------------------------------------------------------------------------

  /** An error that the kernel itself raised: its code is believed. User code can imitate the message, not the brand. */
  class KernelError extends Error {
    readonly #code: string;
    constructor(code: string, message: string) {
      super(message);
      this.#code = code;
      defineProperty(this, 'code', { value: code, enumerable: true, writable: true, configurable: true });
    }
    static codeOf(error: unknown): string | null {
      return typeof error === 'object' && error !== null && #code in error ? error.#code : null;
    }
  }
  defineProperty(KernelError.prototype, 'name', { value: 'NflowError' });
  defineProperty(KernelError.prototype, 'constructor', { value: Error });
  freeze(KernelError.prototype);
  freeze(KernelError);

  const textMax = 8192;
  const cut = (text: string, size: number = textMax): string =>
    text.length <= size ? text : `${text.slice(0, size)}…`;

  const readText = (source: unknown, key: string): string => {
    try {
      const value = (source as Record<string, unknown>)[key];
      return typeof value === 'string' ? value : '';
    } catch {
      return '';
    }
  };

  /** A text, number or boolean; the author may have put anything there, a getter that throws too. */
  const readPlain = (source: object, key: string): string | number | boolean | undefined => {
    try {
      const value = (source as Record<string, unknown>)[key];
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
    } catch {
      return undefined;
    }
  };

  const inspect = parts.createInspect();
  const textOf = (value: unknown): string => inspect(value, textMax);

  /** The two lines before the author's first one: the function's header (2) and the directive (1). */
  const linesBefore = 3;

  /** The author's own lines of a stack, numbered as in the author's text; the kernel's frames say nothing to them. */
  const stackOf = (stack: string): string =>
    stack
      .split('\n')
      .filter((line) => !/^ +at .*\bnflow:[a-z-]+:\d+|^ +at <anonymous>$/.test(line))
      .map((line) =>
        line.replace(
          /nflow\/([^\s:)]+):(\d+):/g,
          (_, at: string, number: string) => `${at}:${Number(number) - linesBefore}:`,
        ),
      )
      .join('\n');

  const failureCodeOf = (error: unknown): string => KernelError.codeOf(error) ?? 'node_failed';

  const failureTextOf = (error: unknown): string =>
    typeof error === 'object' && error !== null ? readText(error, 'message') || textOf(error) : textOf(error);

  /** What a failure is to the node that `onError` leads to: JSON text. */
  const errorJsonOf = (error: unknown, node: string): string => {
    const isObject = typeof error === 'object' && error !== null;
    const plain = (key: string): string | number | boolean | null => {
      const value = isObject ? readPlain(error, key) : undefined;
      return typeof value === 'string' ? cut(value, 200) : (value ?? null);
    };
    return stringify({
      code: failureCodeOf(error),
      message: cut(failureTextOf(error)),
      node,
      reason: plain('reason'),
      status: plain('status'),
      attempts: plain('attempts') ?? 1,
    });
  };

  /** Where in the author's own text of the node it was thrown; null when the stack does not tell. */
  const placeOf = (stack: string, node: string): { line: number; column: number } | null => {
    for (const [, at, line, column] of stack.matchAll(/nflow\/([^\s:)]+):(\d+):(\d+)/g)) {
      if (at === node) return { line: Number(line) - linesBefore, column: Number(column) };
    }
    return null;
  };

  const stackTextOf = (error: unknown): string =>
    typeof error === 'object' && error !== null ? cut(readText(error, 'stack'), 4 * textMax) : '';

  /** Everything about a failure that the history keeps: JSON text. */
  const describeError = (error: unknown, node: string, pointer: string | null): string => {
    const code = failureCodeOf(error);
    const isObject = typeof error === 'object' && error !== null;
    const stack = stackTextOf(error);
    const message = failureTextOf(error);
    const described: Record<string, unknown> = {
      code,
      message: cut(message),
      workflow: program.workflow,
      node,
    };
    const name = isObject ? readText(error, 'name') : '';
    if (name !== '' && name !== 'NflowError') described.name = cut(name, 200);
    Object.assign(described, placeOf(stack, node));
    if (pointer !== null) described.pointer = pointer;
    if (isObject && effectCodes.includes(code)) {
      for (const key of ['reason', 'retryable', 'status']) {
        const value = readPlain(error, key);
        if (value !== undefined) described[key] = value;
      }
    }
    if (stack !== '') described.stack = cut(stackOf(stack));
    return stringify(described);
  };

  // ---- values ↔ JSON text ----------------------------------------------------------------------------------------------------------

  const depthMax = 1000;
  /** Characters that the result being looked at is known to need: what is too large is refused before it is made. */
  let seenSize = 0;
  const tooLarge = (): KernelError =>
    new KernelError(
      'output_too_large',
      `the result is more than ${limits.outputSizeMax} characters of JSON. Return less, or store it and return where it is`,
    );

  /** The path of the first thing in `value` that JSON cannot hold, or ''. A cycle shows as too deep. */
  const findNotJson = (value: unknown, path: string, depth: number): string => {
    switch (typeof value) {
      case 'string':
        seenSize += value.length;
        return '';
      case 'function':
      case 'symbol':
      case 'bigint':
        return `${path} is a ${typeof value}`;
      case 'object': {
        if (value === null) return '';
        if (depth > depthMax) return `${cut(path, 200)} is nested deeper than ${depthMax} levels, or contains itself`;
        if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return '';
        if (isArray(value)) {
          // Two characters an item at least: an array of 2^32 holes is refused at once.
          seenSize += 2 * value.length;
          if (seenSize > limits.outputSizeMax) throw tooLarge();
          for (let i = 0; i < value.length; i++) {
            const item = value[i] as unknown;
            const type = typeof item;
            if (type === 'number' || type === 'boolean') continue;
            if (type === 'string') {
              seenSize += (item as string).length;
              if (seenSize > limits.outputSizeMax) throw tooLarge();
              continue;
            }
            const bad = findNotJson(item, `${path}[${i}]`, depth + 1);
            if (bad !== '') return bad;
          }
          return '';
        }
        const names = keys(value);
        for (let i = 0; i < names.length; i++) {
          const name = names[i] as string;
          const item = (value as Record<string, unknown>)[name];
          const type = typeof item;
          if (type === 'number' || type === 'boolean') continue;
          if (type === 'string') {
            seenSize += (item as string).length;
            if (seenSize > limits.outputSizeMax) throw tooLarge();
            continue;
          }
          const bad = findNotJson(item, `${path}.${name}`, depth + 1);
          if (bad !== '') return bad;
        }
        return '';
      }
      default:
        return '';
    }
  };

  const toJson = (value: unknown, what: string): string => {
    if (value === undefined || value === null) return 'null';
    seenSize = 0;
    const bad = findNotJson(value, what, 0);
    if (seenSize > limits.outputSizeMax) throw tooLarge();
    if (bad !== '') throw new KernelError('result_not_json', `${bad}, which JSON cannot hold; return plain data`);
    let text: string | undefined;
    try {
      text = stringify(value);
    } catch (error) {
      throw new KernelError(
        'result_not_json',
        `${what} could not be turned into JSON: ${cut(readText(error, 'message'), 500)}`,
      );
    }
    if (text === undefined) return 'null';
    if (text.length > limits.outputSizeMax) {
      throw new KernelError(
        'output_too_large',
        `${what} is ${text.length} characters of JSON; the limit is ${limits.outputSizeMax}. Return less, or store it and return where it is`,
      );
    }
    return text;
  };

  // ---- what a step sees --------------------------------------------------------------------------------------------------------------

  const readInput = (run: Run): unknown => {
    const input = parse(run.inputJson) as Record<string, unknown>;
    if (run.bodyJson !== null) {
      const checked = run.checkedBody;
      run.checkedBody = null;
      input.body = checked === null ? parse(run.bodyJson) : checked.value;
    }
    return input;
  };

  /** `nodes`: each finished step's output, parsed when it is first read, a copy of this step's own. */
  const viewNodes = (run: Run): Record<string, unknown> => {
    const view = { __proto__: null } as unknown as Record<string, unknown>;
    for (const [name, json] of run.outputs) {
      defineProperty(view, name, {
        configurable: true,
        enumerable: true,
        get: () => {
          const value = parse(json) as unknown;
          defineProperty(view, name, { value, writable: true, enumerable: true, configurable: true });
          return value;
        },
        set: (value) => {
          defineProperty(view, name, { value, writable: true, enumerable: true, configurable: true });
        },
      });
    }
    return view;
  };

  const viewExecution = (step: Step) => ({
    id: step.run.executionId,
    workflow: program.workflow,
    version: step.run.version,
    attempt: step.attempt,
  });

  /** What stands for a secret: `protocol/secret-placeholder.ts`. The gateway draws the same token. */
  const secretRef = (step: Step, name: unknown): string => {
    if (typeof name !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) {
      throw new KernelError(
        'node_failed',
        `the name of a secret has letters, digits and _, at most 63; got ${cut(textOf(name), 100)}`,
      );
    }
    const random = parts.createRandomSource(step.run.seed, `secret ${name}`);
    let token = '';
    for (let i = 0; i < 4; i++) token += random.word().toString(16).padStart(8, '0');
    return `nflow-secret.${name}.${token}`;
  };

  const viewSecrets = (step: Step): unknown =>
    new Proxy(freeze({ __proto__: null }), {
      get: (_, name) => (typeof name === 'string' ? secretRef(step, name) : undefined),
    });

  const readScope = (step: Step, name: ScopeName): unknown => {
    step.scope ??= {};
    const scope = step.scope;
    if (name in scope) return scope[name];
    let value: unknown;
    switch (name) {
      case 'input':
        value = readInput(step.run);
        break;
      case 'nodes':
        value = viewNodes(step.run);
        break;
      case 'prev':
        value = step.run.prevJson === null ? undefined : parse(step.run.prevJson);
        break;
      case 'vars':
        value = parse(program.varsJson);
        break;
      case 'execution':
        value = viewExecution(step);
        break;
      case 'secrets':
        value = viewSecrets(step);
        break;
      case 'error':
        value = step.errorJson === null ? undefined : parse(step.errorJson);
        break;
      default:
        value = undefined;
    }
    scope[name] = value;
    return value;
  };

  const scopeNames: ScopeName[] = ['input', 'nodes', 'prev', 'vars', 'execution', 'secrets', 'error', 'item', 'index'];
  const expressions = new Map<Expression, AnyFunction>();
  let failingPointer: string | null = null;

  const evaluate = (step: Step, expression: Expression): unknown => {
    const values = scopeNames.map((name) => (expression.uses.includes(name) ? readScope(step, name) : undefined));
    failingPointer = expression.pointer;
    const value = (expressions.get(expression) as AnyFunction)(...values);
    failingPointer = null;
    return value;
  };

  /** The template's value as JSON text; a plain reference passes its text through. */
  const renderJson = (step: Step, template: Template | null, what: string): string => {
    if (template === null) return 'null';
    switch (template.kind) {
      case 'literal':
        return template.json;
      case 'expression': {
        const reference = template.reference;
        if (reference === 'prev') return step.run.prevJson ?? 'null';
        if (reference?.startsWith('nodes.') === true) return step.run.outputs.get(reference.slice(6)) ?? 'null';
        return toJson(evaluate(step, template.expression), what);
      }
      case 'text':
        return stringify(renderText(step, template.parts));
      case 'object': {
        let text = '{';
        for (const [key, value] of template.entries) {
          text += `${text === '{' ? '' : ','}${stringify(key)}:${renderJson(step, value, `${what}.${key}`)}`;
        }
        return `${text}}`;
      }
      case 'array':
        return `[${template.items.map((item, i) => renderJson(step, item, `${what}[${i}]`)).join(',')}]`;
    }
  };

  /** The object of a node's arguments; what is wrong is told by the name of the field. */
  const renderFields = (step: Step, template: Template): string => {
    if (template.kind !== 'object') return renderJson(step, template, 'the arguments');
    let text = '{';
    for (const [key, value] of template.entries) {
      text += `${text === '{' ? '' : ','}${stringify(key)}:${renderJson(step, value, key)}`;
    }
    return `${text}}`;
  };

  const renderText = (step: Step, pieces: (string | Expression)[]): string => {
    let text = '';
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        text += piece;
        continue;
      }
      const value = evaluate(step, piece);
      if (value === undefined || value === null) continue;
      text +=
        typeof value === 'object' || typeof value === 'function' ? toJson(value, 'a value in a text') : String(value);
    }
    return text;
  };

  const render = (step: Step, template: Template | null, what: string): unknown => {
    if (template === null) return undefined;
    return parse(renderJson(step, template, what));
  };

  const jsonEqual = (left: unknown, right: unknown): boolean => {
    if (left === right) return true;
    if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
    if (isArray(left) !== isArray(right)) return false;
    const names = keys(left);
    if (names.length !== keys(right).length) return false;
    return names.every(
      (name) =>
        Object.hasOwn(right, name) &&
        jsonEqual((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name]),
    );
  };

  // ---- effects ---------------------------------------------------------------------------------------------------------------------

  const issue = (
    step: Step,
    kind: string,
    argumentsJson: string,
    decode: (json: string) => unknown,
    options: EffectOptions | null = null,
  ): Promise<unknown> => {
    const run = step.run;
    if (!step.open || current !== run) {
      return Promise.reject(
        new KernelError('node_failed', `this step has ended: it can no longer call ${kind}; await what it starts`),
      );
    }
    if (argumentsJson.length > limits.effectArgumentsSizeMax) {
      return Promise.reject(
        new KernelError(
          'effect_failed',
          `the arguments of ${kind} are ${argumentsJson.length} characters of JSON; the limit is ${limits.effectArgumentsSizeMax}`,
        ),
      );
    }
    if (run.effectCount >= limits.effectsPerRunMax) {
      return Promise.reject(
        new KernelError('effect_failed', `a run may have ${limits.effectsPerRunMax} effects; this one asks for more`),
      );
    }
    if (run.pendingCount >= limits.parallelEffectsMax) {
      return Promise.reject(
        new KernelError(
          'effect_failed',
          `a run may wait for ${limits.parallelEffectsMax} effects at a time; await some before starting more`,
        ),
      );
    }
    return new Promise((resolve, reject) => post(step, kind, argumentsJson, { resolve, reject, decode }, options));
  };

  const post = (
    step: Step,
    kind: string,
    argumentsJson: string,
    pending: PendingEffect,
    options: EffectOptions | null = null,
  ): void => {
    const { run } = step;
    const seq = step.seq + 1;
    step.pending ??= new Map();
    step.pending.set(seq, pending);
    run.outbox ??= [];
    const entry: unknown[] = [step.path, step.attempt, seq, kind, argumentsJson];
    if (options !== null) entry.push(stringify(options));
    run.outbox.push(entry);
    run.effectCount++;
    run.pendingCount++;
    step.seq = seq;
  };

  /** Codes that the gateway gives to a failed effect. */
  const effectCodes = ['effect_failed', 'effect_outcome_unknown', 'not_granted'];

  const effectError = (json: string): Error => {
    const described = parse(json) as Record<string, unknown>;
    const error = new KernelError(
      effectCodes.includes(described.code as string) ? (described.code as string) : 'effect_failed',
      typeof described.message === 'string' ? described.message : 'the effect failed',
    );
    for (const key of ['reason', 'retryable', 'status', 'attempts']) {
      if (described[key] !== undefined)
        defineProperty(error, key, { value: described[key], enumerable: true, writable: true, configurable: true });
    }
    return error;
  };

  interface HttpResponse {
    status: number;
    headers: Record<string, unknown>;
    body: unknown;
  }

  interface HttpAnswer {
    status: number;
    headers: Record<string, unknown>;
    bodyKind: string;
    bodyText: string;
    /** How often it was asked for, where that was more than once in vain. */
    attempts?: number;
  }

  const decodeHttp = (json: string): HttpResponse => {
    const raw = parse(json) as HttpAnswer;
    let body: unknown = raw.bodyKind === 'none' ? null : raw.bodyText;
    if (raw.bodyKind === 'json') {
      try {
        body = parse(raw.bodyText);
      } catch {
        // A server that says JSON and sends something else: the author sees the text.
      }
    }
    return { status: raw.status, headers: raw.headers, body };
  };

  const expectSuccess =
    (what: string) =>
    (json: string): HttpResponse => {
      const response = decodeHttp(json);
      if (response.status < 400) return response;
      const error = new KernelError('effect_failed', `${what} answered ${response.status}`);
      const { attempts } = parse(json) as HttpAnswer;
      defineProperty(error, 'status', { value: response.status, enumerable: true, writable: true, configurable: true });
      if (attempts !== undefined)
        defineProperty(error, 'attempts', { value: attempts, enumerable: true, writable: true, configurable: true });
      defineProperty(error, 'response', { value: response, enumerable: false, writable: true, configurable: true });
      throw error;
    };

  interface HttpOptions {
    headers?: Record<string, unknown>;
    query?: Record<string, unknown>;
    body?: unknown;
    auth?: unknown;
    form?: unknown;
    multipart?: unknown;
    tls?: unknown;
    saveTo?: unknown;
    timeout?: string | number;
    redirect?: string;
  }

  const sortedTexts = (values: unknown, what: string): Record<string, string | string[]> | null => {
    if (values === undefined || values === null) return null;
    if (typeof values !== 'object')
      throw new KernelError('effect_failed', `${what} must be an object of names and values`);
    const sorted: Record<string, string | string[]> = {};
    for (const name of keys(values).sort()) {
      const value = (values as Record<string, unknown>)[name];
      if (value === undefined || value === null) continue;
      sorted[name] = isArray(value) ? value.map(String) : String(value);
    }
    return sorted;
  };

  /** A copy that JSON can hold; undefined for what is not given. */
  const plainOrNothing = (value: unknown, what: string): unknown =>
    value === undefined || value === null ? undefined : parse(toJson(value, what));

  const requestHttp = (
    step: Step,
    method: string,
    url: string,
    given: HttpOptions,
    options: EffectOptions | null,
  ): Promise<unknown> => {
    try {
      let body: string | null = null;
      let bodyKind: string | null = null;
      if (given.body !== undefined && given.body !== null) {
        bodyKind = typeof given.body === 'string' ? 'text' : 'json';
        body = typeof given.body === 'string' ? given.body : toJson(given.body, 'body');
      }
      const verb = String(method).toUpperCase();
      const target = String(url);
      const call = {
        method: verb,
        url: target,
        headers: sortedTexts(given.headers, 'headers'),
        query: sortedTexts(given.query, 'query'),
        body,
        bodyKind,
        timeoutMs: given.timeout === undefined ? null : durationMs(given.timeout, 'timeout'),
        redirect: given.redirect === 'manual' ? 'manual' : 'follow',
        // Left out where they are not given: a call looks as it always has.
        auth: plainOrNothing(given.auth, 'auth'),
        form: plainOrNothing(given.form, 'form'),
        multipart: plainOrNothing(given.multipart, 'multipart'),
        tls: plainOrNothing(given.tls, 'tls'),
        saveTo: plainOrNothing(given.saveTo, 'saveTo'),
      };
      return issue(step, 'http', stringify(call), expectSuccess(`${verb} ${target.split('?')[0] as string}`), options);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  const durationUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

  const durationMs = (given: unknown, what: string): number => {
    if (typeof given === 'number' && given >= 0 && given <= Number.MAX_SAFE_INTEGER) return given;
    let total = 0;
    let rest = typeof given === 'string' ? given : '';
    while (rest !== '') {
      const part = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)/.exec(rest);
      if (part === null) break;
      total += Number(part[1]) * (durationUnits[part[2] as string] as number);
      rest = rest.slice(part[0].length);
    }
    if (typeof given !== 'string' || given === '' || rest !== '') {
      throw new KernelError(
        'node_failed',
        `${what} must be milliseconds or a duration such as '200ms', '2s' or '1h30m'; got ${cut(textOf(given), 100)}`,
      );
    }
    return total;
  };

  // ---- how calls are made ------------------------------------------------------------------------------------------------------------

  /** As the gateway has them (`protocol/effect-options.ts`); it checks what they say. */
  const retryDefaults: RetryOptions = {
    attempts: 3,
    backoff: 'exponential',
    initialMs: 200,
    maxMs: 30_000,
    jitter: 0.2,
  };

  const keyText = (value: unknown, what: string): string => {
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
    throw new KernelError('node_failed', `${what} must be a text that is not empty; got ${cut(textOf(value), 100)}`);
  };

  /** A cache key may be any value: what is no text is its JSON. */
  const cacheKey = (value: unknown): string =>
    typeof value === 'string' ? value : toJson(value, 'the key of the cache');

  const retryOf = (given: unknown): RetryOptions => {
    const { attempts, backoff, initial, max, jitter } = given as Record<string, unknown>;
    const initialMs = initial === undefined ? retryDefaults.initialMs : durationMs(initial, 'retry.initial');
    const maxMs = max === undefined ? retryDefaults.maxMs : durationMs(max, 'retry.max');
    return {
      attempts: attempts === undefined ? retryDefaults.attempts : (attempts as number),
      backoff: backoff === 'fixed' ? 'fixed' : 'exponential',
      initialMs,
      maxMs: Math.max(initialMs, maxMs),
      jitter: jitter === undefined ? retryDefaults.jitter : (jitter as number),
    };
  };

  const optionsOf: EffectHost['optionsOf'] = (given, timeoutMsDefault) => {
    const { timeout, retry, cache, idempotencyKey, atMostOnce } = (given ?? {}) as Record<string, unknown>;
    const isPlain = retry === undefined && cache === undefined && idempotencyKey === undefined && atMostOnce !== true;
    if (isPlain && timeoutMsDefault === null) return null;
    const { ttl, key } = (cache ?? {}) as Record<string, unknown>;
    return {
      timeoutMs: timeoutMsDefault === null || timeout === undefined ? timeoutMsDefault : durationMs(timeout, 'timeout'),
      retry: retry === undefined ? null : retryOf(retry),
      cache:
        cache === undefined
          ? null
          : {
              ttlMs: ttl === undefined ? null : durationMs(ttl, 'cache.ttl'),
              key: key === undefined ? null : cacheKey(key),
            },
      idempotencyKey: idempotencyKey === undefined ? null : keyText(idempotencyKey, 'idempotencyKey'),
      atMostOnce: atMostOnce === true,
    };
  };

  const optionsOfPolicy = (step: Step, policy: EffectPolicy): EffectOptions => {
    const { timeoutMs, retry, cache, idempotencyKey, atMostOnce } = policy;
    return {
      timeoutMs,
      retry,
      cache:
        cache === null
          ? null
          : { ttlMs: cache.ttlMs, key: cache.key === null ? null : cacheKey(evaluate(step, cache.key)) },
      idempotencyKey: idempotencyKey === null ? null : keyText(evaluate(step, idempotencyKey), 'idempotencyKey'),
      atMostOnce,
    };
  };

  /** Null when they ask for nothing but a time. */
  const withoutTimeout = (options: EffectOptions): EffectOptions | null => {
    const { retry, cache, idempotencyKey, atMostOnce } = options;
    const isPlain = retry === null && cache === null && idempotencyKey === null && !atMostOnce;
    return isPlain ? null : { ...options, timeoutMs: null };
  };

  /** A node `http`: its fields are what `ctx.http` takes, and its timeout is one of the arguments. */
  const requestOfNode = (step: Step, fields: Record<string, unknown>, options: EffectOptions): Promise<unknown> => {
    const { method = 'GET', url, ...others } = fields as Record<string, never>;
    const given: HttpOptions = { ...others, timeout: options.timeoutMs as number };
    return requestHttp(step, String(method), String(url), given, withoutTimeout(options));
  };

  const performNode = (step: Step, definition: Extract<ProgramNode, { type: 'effect' }>): Promise<unknown> => {
    const fieldsJson = renderFields(step, definition.arguments);
    const options = optionsOfPolicy(step, definition.policy);
    const { kind } = definition;
    if (kind === 'http') return requestOfNode(step, parse(fieldsJson) as Record<string, unknown>, options);
    const part = effectParts.get(kind);
    if (part?.node !== undefined) {
      return part.node(new StepDoor(step), parse(fieldsJson) as Record<string, unknown>, options);
    }
    return issue(step, kind, fieldsJson, part?.decode ?? parse, options);
  };

  class GuestHttp {
    readonly #step: Step;
    constructor(step: Step) {
      this.#step = step;
    }
    #call(method: string, url: string, options: HttpOptions | undefined): Promise<unknown> {
      try {
        const given = options ?? {};
        return requestHttp(this.#step, method, url, given, optionsOf(given, null));
      } catch (error) {
        return Promise.reject(error);
      }
    }
    request(options: HttpOptions & { method?: string; url: string }): Promise<unknown> {
      return this.#call(options?.method ?? 'GET', options?.url, options);
    }
    get(url: string, options?: HttpOptions): Promise<unknown> {
      return this.#call('GET', url, options);
    }
    head(url: string, options?: HttpOptions): Promise<unknown> {
      return this.#call('HEAD', url, options);
    }
    delete(url: string, options?: HttpOptions): Promise<unknown> {
      return this.#call('DELETE', url, options);
    }
    post(url: string, body?: unknown, options?: HttpOptions): Promise<unknown> {
      return this.#call('POST', url, { ...options, body });
    }
    put(url: string, body?: unknown, options?: HttpOptions): Promise<unknown> {
      return this.#call('PUT', url, { ...options, body });
    }
    patch(url: string, body?: unknown, options?: HttpOptions): Promise<unknown> {
      return this.#call('PATCH', url, { ...options, body });
    }
  }

  /** As consoles do it: the first text may have %s, %d, %i, %f, %j, %o and %O in it for the values behind it. */
  const formatted = (values: unknown[]): string => {
    const [first] = values;
    let used = 0;
    let text = '';
    if (typeof first === 'string') {
      used = 1;
      text =
        values.length === 1 || !first.includes('%')
          ? first
          : first.slice(0, textMax).replace(/%[sdifjoOc%]/g, (mark) => {
              if (mark === '%%') return '%';
              if (used >= values.length) return mark;
              const value = values[used++];
              if (mark === '%c') return '';
              if (mark === '%d' || mark === '%f') return textOf(typeof value === 'object' ? Number.NaN : Number(value));
              if (mark === '%i') return textOf(typeof value === 'object' ? Number.NaN : Math.trunc(Number(value)));
              return textOf(value);
            });
    }
    for (; used < values.length && text.length <= textMax; used++) text += (used > 0 ? ' ' : '') + textOf(values[used]);
    return text;
  };

  const log = (step: Step, level: string, values: unknown[]): void => {
    const run = step.run;
    if (run.logsSize > limits.logsPerRunSizeMax) return;
    let text = cut(formatted(values));
    run.logsSize += text.length;
    if (run.logsSize > limits.logsPerRunSizeMax) {
      text = `the logs of this run have reached ${limits.logsPerRunSizeMax} characters: what follows is not kept`;
    }
    run.logs ??= [];
    run.logs.push([step.path, step.attempt, ++step.logIndex, level, currentTimeMs, text]);
  };

  class GuestLog {
    readonly #step: Step;
    constructor(step: Step) {
      this.#step = step;
    }
    debug(...values: unknown[]): void {
      log(this.#step, 'debug', values);
    }
    info(...values: unknown[]): void {
      log(this.#step, 'info', values);
    }
    warn(...values: unknown[]): void {
      log(this.#step, 'warn', values);
    }
    error(...values: unknown[]): void {
      log(this.#step, 'error', values);
    }
  }

  const randomOf = (step: Step): RandomSource => {
    step.random ??= parts.createRandomSource(step.run.seed, `${step.path}#${step.attempt}`);
    return step.random;
  };

  const currentStep = (): Step => {
    const step = current?.step;
    if (step == null) throw new KernelError('node_failed', 'this step has ended: it has no random numbers any more');
    return step;
  };

  /** A random UUID (RFC 9562, version 4). */
  const uuidOf = (step: Step): string => {
    const source = randomOf(step);
    const hex = (word: number): string => word.toString(16).padStart(8, '0');
    const all = hex(source.word()) + hex(source.word()) + hex(source.word()) + hex(source.word());
    const variant = ((Number.parseInt(all[16] as string, 16) & 3) | 8).toString(16);
    return `${all.slice(0, 8)}-${all.slice(8, 12)}-4${all.slice(13, 16)}-${variant}${all.slice(17, 20)}-${all.slice(20)}`;
  };

  class GuestContext {
    readonly #step: Step;
    constructor(step: Step) {
      this.#step = step;
    }
    static stepOf(context: GuestContext): Step {
      return context.#step;
    }
    get http(): GuestHttp {
      return new GuestHttp(this.#step);
    }
    get log(): GuestLog {
      return new GuestLog(this.#step);
    }
    get execution() {
      return viewExecution(this.#step);
    }
    /** Waits; '200ms', '2s', '1h30m' or milliseconds. */
    sleep(duration: string | number): Promise<unknown> {
      try {
        return issue(this.#step, 'sleep', stringify({ ms: durationMs(duration, 'sleep') }), () => undefined);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    /** A text that stands for the secret: the gateway puts the value in its place. */
    secretRef(name: string): string {
      return secretRef(this.#step, name);
    }
    now(): number {
      return currentTimeMs;
    }
    random(): number {
      return randomOf(this.#step).double();
    }
    uuid(): string {
      return uuidOf(this.#step);
    }
  }
  /** Prototypes: their methods are objects that every run of this VM is given. */
  const closedClasses: unknown[] = [];
  const closeClass = (Class: abstract new (...given: never[]) => unknown): void => {
    // Without this, `ctx.constructor` would be a door to a class of the kernel.
    defineProperty(Class.prototype, 'constructor', { value: undefined });
    freeze(Class.prototype);
    freeze(Class);
    closedClasses.push(Class.prototype);
  };
  closeClass(GuestHttp);
  closeClass(GuestLog);

  // ---- guest parts of effects -------------------------------------------------------------------------------------------------------

  const effectParts = new Map<string, EffectPart>();

  /** One step's way to effects, for a part. */
  class StepDoor implements EffectStep {
    readonly #step: Step;
    constructor(step: Step) {
      this.#step = step;
    }
    issue(
      kind: string,
      argumentsJson: string,
      options: EffectOptions | null = null,
      decode: (json: string) => unknown = parse,
    ): Promise<unknown> {
      return issue(this.#step, kind, argumentsJson, decode, options);
    }
    start(
      kind: string,
      argumentsJson: string,
      options: EffectOptions | null = null,
      decode: (json: string) => unknown = parse,
    ): { answer: Promise<unknown>; cancel(): void } {
      return startEffect(this.#step, kind, argumentsJson, decode, options);
    }
    nowMs(): number {
      return currentTimeMs;
    }
    randomWord(): number {
      return randomOf(this.#step).word();
    }
  }
  closeClass(StepDoor);

  const startEffect = (
    step: Step,
    kind: string,
    argumentsJson: string,
    decode: (json: string) => unknown,
    options: EffectOptions | null,
  ): { answer: Promise<unknown>; cancel(): void } => {
    const before = step.seq;
    const answer = issue(step, kind, argumentsJson, decode, options);
    const { seq } = step;
    return {
      answer,
      cancel: () => {
        if (seq !== before && step.open && current === step.run && step.pending?.has(seq) === true) cancel(step, seq);
      },
    };
  };

  const effectHost: EffectHost = {
    error: (message) => new KernelError('node_failed', message),
    durationMs: (given, what) => durationMs(given, what),
    toJson: (value, what) => toJson(value, what),
    textOf: (value) => cut(textOf(value), 200),
    optionsOf,
    close: closeClass,
  };

  // ---- timers ----------------------------------------------------------------------------------------------------------------------

  /** A longer one is the effect `sleep`, with a record of its own. */
  const timerMsMax = 1000;

  const setTimer: WebHost['setTimer'] = (callback, delayMs, values, isRepeated) => {
    const step = current?.step;
    if (step == null || !step.open) return 0;
    const whole = Number.isFinite(delayMs) ? Math.trunc(delayMs) : 0;
    // As in browsers and in Node: at least 1 ms, and what does not fit into 31 bits is taken as that.
    const waitMs = whole >= 1 && whole <= 2_147_483_647 ? whole : 1;
    const id = step.timerSeq + 1;
    armTimer(
      step,
      { id, seq: 0, isEffect: false, effectSeq: 0, callback, values, periodMs: isRepeated ? waitMs : -1 },
      waitMs,
    );
    return id;
  };

  const armTimer = (step: Step, timer: Timer, waitMs: number): void => {
    const { run } = step;
    if (run.timerCount >= limits.timersPerRunMax) {
      throw new KernelError('node_failed', `the timers of a run may fire ${limits.timersPerRunMax} times; that was it`);
    }
    if (run.pendingTimers >= limits.parallelTimersMax) {
      throw new KernelError(
        'node_failed',
        `a run may have ${limits.parallelTimersMax} timers at a time; clear some, or wait for them`,
      );
    }
    step.timers ??= new Map();
    if (waitMs > timerMsMax && run.pendingCount >= limits.parallelEffectsMax) {
      throw new KernelError(
        'effect_failed',
        `a timer of more than ${timerMsMax} ms is an effect, and a run may wait for ${limits.parallelEffectsMax} at a time`,
      );
    }
    timer.isEffect = waitMs > timerMsMax;
    const seq = step.timerSeq + 1;
    timer.seq = -seq;
    step.timers.set(timer.seq, timer);
    run.timerCount++;
    run.pendingTimers++;
    step.timerSeq = seq;
    if (timer.isEffect) {
      timer.effectSeq = step.seq + 1;
      const fire = (): void => fireTimer(step, timer);
      post(step, 'sleep', stringify({ ms: waitMs }), { resolve: fire, reject: fire, decode: () => undefined });
      return;
    }
    run.outbox ??= [];
    run.outbox.push([step.path, step.attempt, timer.seq, 'timer', String(waitMs)]);
  };

  const fireTimer = (step: Step, timer: Timer): void => {
    if (step.timers?.delete(timer.seq) !== true) return;
    step.run.pendingTimers--;
    try {
      // First, so that its own callback can clear it.
      if (timer.periodMs >= 0) armTimer(step, timer, timer.periodMs);
      timer.callback(...timer.values);
    } catch (error) {
      if (step.open) leaveFailed(step, error);
    }
  };

  const clearTimer = (id: unknown): void => {
    const step = current?.step;
    if (step?.timers == null) return;
    for (const timer of step.timers.values()) {
      if (timer.id === id) {
        cancelTimer(step, timer);
        return;
      }
    }
  };

  const cancelTimer = (step: Step, timer: Timer): void => {
    step.timers?.delete(timer.seq);
    step.run.pendingTimers--;
    cancel(step, timer.isEffect ? timer.effectSeq : timer.seq);
  };

  /** The gateway need not wait for it: takes it back, or says so. */
  const cancel = (step: Step, seq: number): void => {
    const { run } = step;
    if (step.pending?.delete(seq) === true) run.pendingCount--;
    const outbox = run.outbox ?? [];
    run.outbox = outbox;
    // What was asked for in this very segment has not left: it never does.
    const at = outbox.findIndex((entry) => entry[2] === seq && entry[0] === step.path);
    if (at >= 0) outbox.splice(at, 1);
    else outbox.push([step.path, step.attempt, seq, 'cancel', '']);
    if (outbox.length === 0) run.outbox = null;
  };

  // ---- the driver ---------------------------------------------------------------------------------------------------------------------

  const nextOf = (definition: ProgramNode, outputJson: string): string | null => {
    switch (definition.type) {
      case 'if':
        return outputJson === 'true' ? definition.then : definition.else;
      case 'switch': {
        const index = Number(outputJson);
        return index < 0 ? definition.default : (definition.cases[index] as SwitchCase).next;
      }
      case 'respond':
      case 'fail':
      case 'end':
        return null;
      default:
        return definition.next;
    }
  };

  const openStep = (run: Run, node: CompiledNode): Step => ({
    run,
    node,
    path: node.definition.name,
    attempt: 1,
    seq: 0,
    open: true,
    failed: false,
    errorJson: run.errorJson,
    pending: null,
    timers: null,
    timerSeq: 0,
    startMs: currentTimeMs,
    scope: null,
    random: null,
    logIndex: 0,
    globals: null,
    counts: null,
    timings: null,
    startUs: run.elapsedUs,
  });

  const closeStep = (step: Step): void => {
    step.open = false;
    if (step.timers !== null) {
      for (const timer of step.timers.values()) cancelTimer(step, timer);
      step.timers = null;
    }
    if (step.pending !== null) {
      step.run.pendingCount -= step.pending.size;
      step.pending = null;
    }
  };

  const us = (value: number): number => (value < 0 ? 0 : Math.round(value));

  /** Reads the clock once a step: the end of one is the start of the next. */
  const entryOf = (step: Step, status: 0 | 1): string => {
    const run = step.run;
    run.elapsedUs = clockUs() - run.originUs;
    return `[${step.node.nameJson},${step.attempt},${status},${us(step.startUs)},${us(run.elapsedUs - step.startUs)}`;
  };

  /** Ends the step, and the run or on to the next node. Returns the node to go on with. */
  const completeStep = (step: Step, outputJson: string): CompiledNode | null => {
    const run = step.run;
    closeStep(step);
    run.traceEntries.push(entryOf(step, 1));
    run.traceOutputs.push(outputJson);
    run.outputs.set(step.path, outputJson);
    run.prevJson = outputJson;
    const next = nextOf(step.node.definition, outputJson);
    if (next !== null) return compiled.get(next) as CompiledNode;
    endRun(run, 0, '', outputJson);
    return null;
  };

  const traceOf = (run: Run, outputJson: string): string => {
    const last = run.traceEntries.length - 1;
    let text = '[';
    for (let i = 0; i <= last; i++) {
      const output = run.traceOutputs[i] as string;
      if (i > 0) text += ',';
      // The last step's output is the run's: it is kept once.
      text += i === last && output === outputJson ? `${run.traceEntries[i]}]` : `${run.traceEntries[i]},${output}]`;
    }
    return `${text}]`;
  };

  const takeEffects = (run: Run): string => {
    const outbox = run.outbox;
    if (outbox === null) return '';
    run.outbox = null;
    return stringify(outbox);
  };

  const takeLogs = (run: Run): string => {
    const logs = run.logs;
    if (logs === null) return '';
    run.logs = null;
    return stringify(logs);
  };

  const answerEnd = (
    run: Run,
    failed: 0 | 1,
    httpStatus: number,
    headers: string,
    output: string,
    error: string,
    trace: string,
  ): void => {
    const effects = takeEffects(run);
    const logs = takeLogs(run);
    run.answer =
      `E ${failed} ${httpStatus} ${headers.length} ${output.length} ${error.length} ${trace.length} ${logs.length} ${effects.length}\n` +
      headers +
      output +
      error +
      trace +
      logs +
      effects;
    if (run.isKept) runs.delete(run.id);
  };

  const endRun = (run: Run, httpStatus: number, headersJson: string, outputJson: string): void => {
    run.step = null;
    answerEnd(run, 0, httpStatus, headersJson, outputJson, '', traceOf(run, outputJson));
  };

  const failRun = (step: Step, error: unknown, httpStatus = 0, described: string | null = null): void => {
    const { run } = step;
    const pointer = failingPointer;
    failingPointer = null;
    closeStep(step);
    step.failed = true;
    run.step = null;
    run.traceEntries.push(entryOf(step, 0));
    run.traceOutputs.push('null');
    const text = described ?? describeError(error, step.node.definition.name, pointer);
    answerEnd(run, 1, httpStatus, '', '', text, traceOf(run, 'null'));
  };

  /**
   * The step has failed: the run goes on with the node of its `onError`, which is returned, or ends. The step's entry says failed, and
   * has the error in the place of an output, so that a resume comes to the same node with the same error.
   */
  const failStep = (step: Step, error: unknown): CompiledNode | null => {
    const { run } = step;
    const { name, onError } = step.node.definition;
    if (onError === undefined) {
      failRun(step, error);
      return null;
    }
    failingPointer = null;
    const errorJson = errorJsonOf(error, name);
    const place = placeOf(stackTextOf(error), name);
    const at = place === null ? '' : ` at line ${place.line}, column ${place.column}`;
    log(step, 'warn', [`failed${at} and goes on with the node "${onError}": ${failureTextOf(error)}`]);
    closeStep(step);
    step.failed = true;
    run.traceEntries.push(entryOf(step, 0));
    run.traceOutputs.push(errorJson);
    run.errorJson = errorJson;
    return compiled.get(onError) as CompiledNode;
  };

  const leaveFailed = (step: Step, error: unknown): void => {
    const next = failStep(step, error);
    if (next !== null) advance(step.run, next);
  };

  /** Runs nodes until one waits or the run ends. */
  const advance = (run: Run, first: CompiledNode): void => {
    let node: CompiledNode | null = first;
    while (node !== null) {
      const step = openStep(run, node);
      run.step = step;
      run.errorJson = null;
      try {
        node = enter(step);
      } catch (error) {
        // A listener that threw has failed it already.
        node = step.failed ? null : failStep(step, error);
      }
    }
  };

  const settle = (step: Step, value: unknown): void => {
    if (!step.open) return;
    let next: CompiledNode | null;
    try {
      next = completeStep(step, toJson(value, 'the result'));
    } catch (error) {
      leaveFailed(step, error);
      return;
    }
    if (next !== null) advance(step.run, next);
  };

  const settleLater = (step: Step, promise: Promise<unknown>): null => {
    promise.then(
      (value) => settle(step, value),
      (error: unknown) => {
        if (step.open) leaveFailed(step, error);
      },
    );
    return null;
  };

  /** Answers with a file: it is looked for first, so that what is not there fails the node instead of breaking the answer. */
  const answerFile = (
    step: Step,
    status: number,
    headers: Record<string, string | string[]> | null,
    path: unknown,
    area: string,
  ): null => {
    if (typeof path !== 'string') {
      throw new KernelError('node_failed', `file must be the path of a file; got ${cut(textOf(path), 100)}`);
    }
    issue(step, 'file', stringify({ operation: 'stat', path, area }), parse).then(
      (found) => {
        if (!step.open) return;
        const { run } = step;
        const entry = found as { type: string; size: number; version: string } | null;
        if (entry?.type !== 'file') {
          leaveFailed(step, new KernelError('effect_failed', `there is no file ${cut(textOf(path), 200)}`));
          return;
        }
        const { size, version } = entry;
        const output = stringify({ file: { path, area, size } });
        closeStep(step);
        run.traceEntries.push(entryOf(step, 1));
        run.traceOutputs.push(output);
        const told = { ...headers, 'nflow-file': stringify({ path, area, version }) };
        endRun(run, status, stringify(told), output);
      },
      (error: unknown) => {
        if (step.open) leaveFailed(step, error);
      },
    );
    return null;
  };

  /** Executes one node. Returns the node to go on with, or null when it waits or the run has ended. */
  const enter = (step: Step): CompiledNode | null => {
    const { node, run } = step;
    const definition = node.definition;
    switch (definition.type) {
      case 'code': {
        const value = (node.run as AnyFunction)(
          node.usesInput ? readInput(run) : undefined,
          node.usesCtx ? new GuestContext(step) : undefined,
          node.usesNodes ? viewNodes(run) : undefined,
          node.usesPrev && run.prevJson !== null ? parse(run.prevJson) : undefined,
          node.usesError && step.errorJson !== null ? parse(step.errorJson) : undefined,
        );
        // A listener of an event threw: that has ended the step.
        if (!step.open) return null;
        if (definition.code.async) return settleLater(step, value as Promise<unknown>);
        if (typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function') {
          return settleLater(step, Promise.resolve(value));
        }
        return completeStep(step, toJson(value, 'the result'));
      }
      case 'if':
        return completeStep(step, evaluate(step, definition.condition) ? 'true' : 'false');
      case 'switch': {
        const value = definition.value === null ? undefined : evaluate(step, definition.value);
        const index = definition.cases.findIndex((branch) =>
          'when' in branch
            ? Boolean(evaluate(step, branch.when))
            : jsonEqual(value, render(step, branch.equals, 'equals')),
        );
        if (index < 0 && definition.default === null) {
          throw new KernelError(
            'switch_no_match',
            `no case matches ${cut(textOf(value), 200)} and there is no default; add a case or a default`,
          );
        }
        return completeStep(step, String(index));
      }
      case 'set':
        return completeStep(step, renderJson(step, definition.values, 'values'));
      case 'end':
        return completeStep(
          step,
          definition.output === null ? (run.prevJson ?? 'null') : renderJson(step, definition.output, 'output'),
        );
      case 'respond': {
        const status = render(step, definition.status, 'status');
        if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) {
          throw new KernelError(
            'node_failed',
            `status must be a whole number from 200 to 599; got ${cut(textOf(status), 100)}`,
          );
        }
        const headers = sortedTexts(render(step, definition.headers, 'headers'), 'headers');
        if (definition.file !== undefined) {
          const path = render(step, definition.file.path, 'file');
          return answerFile(step, status, headers, path, definition.file.area);
        }
        // A name that the kernel itself uses, see `answerFile`.
        if (headers !== null) delete headers['nflow-file'];
        const body = renderJson(step, definition.body, 'body');
        if (body.length > limits.outputSizeMax) {
          throw new KernelError(
            'output_too_large',
            `the body is ${body.length} characters of JSON; the limit is ${limits.outputSizeMax}`,
          );
        }
        closeStep(step);
        run.traceEntries.push(entryOf(step, 1));
        run.traceOutputs.push(body);
        endRun(run, status, headers === null ? '' : stringify(headers), body);
        return null;
      }
      case 'fail': {
        const status = render(step, definition.status, 'status');
        if (typeof status !== 'number' || !Number.isInteger(status) || status < 400 || status > 599) {
          throw new KernelError(
            'node_failed',
            `status must be a whole number from 400 to 599; got ${cut(textOf(status), 100)}`,
          );
        }
        const described = {
          code: 'workflow_failed',
          message: cut(textOf(render(step, definition.message, 'message') ?? '')),
          workflow: program.workflow,
          node: definition.name,
          reason: cut(textOf(render(step, definition.code, 'code') ?? ''), 200),
          details: definition.details === null ? undefined : render(step, definition.details, 'details'),
        };
        failRun(step, null, status, stringify(described));
        return null;
      }
      case 'effect':
        return settleLater(step, performNode(step, definition));
    }
  };

  // ---- globals for authors -------------------------------------------------------------------------------------------------------------

  const logHere = (level: string, values: unknown[]): void => {
    if (current?.step != null) log(current.step, level, values);
  };
  const consoleObject = {
    log: (...values: unknown[]) => logHere('info', values),
    info: (...values: unknown[]) => logHere('info', values),
    debug: (...values: unknown[]) => logHere('debug', values),
    trace: (...values: unknown[]) => logHere('debug', values),
    warn: (...values: unknown[]) => logHere('warn', values),
    error: (...values: unknown[]) => logHere('error', values),
    dir: (value?: unknown) => logHere('info', [value]),
    table: (value?: unknown) => logHere('info', [value]),
    group: (...values: unknown[]) => logHere('info', values),
    groupCollapsed: (...values: unknown[]) => logHere('info', values),
    groupEnd: () => {},
    assert: (condition?: unknown, ...values: unknown[]) => {
      if (!condition) logHere('error', ['Assertion failed', ...values]);
    },
    count: (label: unknown = 'default') => {
      const step = current?.step;
      if (step == null) return;
      step.counts ??= new Map();
      const name = textOf(label);
      const count = (step.counts.get(name) ?? 0) + 1;
      step.counts.set(name, count);
      logHere('info', [`${name}: ${count}`]);
    },
    countReset: (label: unknown = 'default') => {
      current?.step?.counts?.delete(textOf(label));
    },
    time: (label: unknown = 'default') => {
      const step = current?.step;
      if (step == null) return;
      step.timings ??= new Map();
      step.timings.set(textOf(label), currentTimeMs);
    },
    timeLog: (label: unknown = 'default', ...values: unknown[]) => {
      const name = textOf(label);
      const startMs = current?.step?.timings?.get(name);
      if (startMs !== undefined) logHere('info', [`${name}: ${currentTimeMs - startMs} ms`, ...values]);
    },
    timeEnd: (label: unknown = 'default') => {
      consoleObject.timeLog(label);
      current?.step?.timings?.delete(textOf(label));
    },
  };
  defineProperty(globalThis, 'console', {
    value: consoleObject,
    writable: true,
    enumerable: false,
    configurable: true,
  });

  parts.installClock(
    () => currentTimeMs,
    () => (moduleRandom ?? randomOf(currentStep())).double(),
  );
  const realm = parts.hardenRealm();
  realm.freezeAll([KernelError.prototype, ...closedClasses.splice(0)]);

  // ---- the web platform, as far as the program uses it ----------------------------------------------------------------------------

  const requestForFetch = (call: HostRequest): HostExchange => {
    const step = current?.step;
    if (step == null) {
      const late = new KernelError(
        'node_failed',
        'this step has ended: it can no longer call fetch; await what it starts',
      );
      return { answer: Promise.reject(late), cancel: () => {} };
    }
    const { method, url, headers, body, bodyKind, redirect } = call;
    const argumentsJson = stringify({ method, url, headers, query: null, body, bodyKind, timeoutMs: null, redirect });
    const { answer, cancel } = startEffect(step, 'http', argumentsJson, parse, null);
    return { answer: answer as Promise<HostAnswer>, cancel };
  };

  const webHost: WebHost = {
    nowMs: () => currentTimeMs,
    stepStartMs: () => current?.step?.startMs ?? currentTimeMs,
    randomWord: () => randomOf(currentStep()).word(),
    uuid: () => uuidOf(currentStep()),
    setTimer,
    clearTimer,
    fail(error) {
      const step = current?.step;
      if (step?.open !== true) return;
      const next = failStep(step, error);
      // The code that has failed is still under way: the next node begins when it has come to a stop.
      if (next !== null) Promise.resolve().then(() => advance(step.run, next));
    },
    request: requestForFetch,
    stepGlobals(create) {
      const step = current?.step;
      if (step == null) return moduleRandom === null ? null : moduleGlobals;
      if (create) step.globals ??= new Map(moduleGlobals);
      return step.globals ?? moduleGlobals;
    },
  };
  const webScope: Record<string, unknown> = {};

  /** No step is there yet: the clock stands still, nothing is logged, and what would wait or call fails. */
  const evaluateModules = (source: string): Record<string, unknown> => {
    // The same in every VM, so that a replay in another one meets the same modules.
    moduleRandom = parts.createRandomSource('0'.repeat(32), 'modules');
    moduleGlobals = new Map();
    try {
      return PlainFunction(`"use strict";${source}\n//# sourceURL=nflow:modules`)() as Record<string, unknown>;
    } finally {
      moduleRandom = null;
    }
  };

  // ---- what the host calls ----------------------------------------------------------------------------------------------------------

  const compileExpressions = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const expression = value as Expression;
    if (typeof expression.source === 'string' && typeof expression.pointer === 'string') {
      expressions.set(expression, PlainFunction(...scopeNames, `"use strict";return (\n${expression.source}\n)`));
      return;
    }
    for (const key of keys(value)) compileExpressions((value as Record<string, unknown>)[key]);
  };

  const finishSegment = (run: Run): string => {
    if (run.answer !== null) return run.answer;
    if (run.pendingCount === 0 && run.pendingTimers === 0) {
      // Nothing can ever wake it: without this it would wait for its timeout.
      leaveFailed(
        run.step as Step,
        new KernelError(
          'node_failed',
          'the code waits for a promise that nothing can settle; await only what ctx, fetch and timers give, or settle it',
        ),
      );
      // Along its `onError` there may be code that has begun and goes on in micro-tasks.
      return run.answer ?? 'M\n';
    }
    if (!run.isKept) {
      run.isKept = true;
      runs.set(run.id, run);
    }
    let finished = '';
    if (run.reported < run.traceEntries.length) {
      const entries: string[] = [];
      for (let i = run.reported; i < run.traceEntries.length; i++) {
        entries.push(`${run.traceEntries[i]},${run.traceOutputs[i]}]`);
      }
      run.reported = run.traceEntries.length;
      finished = stringify(entries);
    }
    const effects = takeEffects(run);
    const logs = takeLogs(run);
    return `S ${effects.length} ${finished.length} ${logs.length}\n${effects}${finished}${logs}`;
  };

  return {
    bind(partSource) {
      const create = PlainFunction(`"use strict";return (${partSource})\n//# sourceURL=nflow:web`)() as AnyFunction;
      const { globals, shared = {} } = create(webHost, webScope) as WebPart;
      for (const name of keys(globals)) {
        defineProperty(globalThis, name, {
          value: globals[name],
          writable: true,
          enumerable: false,
          configurable: true,
        });
      }
      Object.assign(webScope, globals, shared);
      realm.freezeAll([...Object.values(globals), ...Object.values(shared)]);
    },

    bindEffect(kind, member, partSource) {
      const create = PlainFunction(`"use strict";return (${partSource})\n//# sourceURL=nflow:effect`)() as AnyFunction;
      const part = create(effectHost) as EffectPart;
      effectParts.set(kind, part);
      if (member === '' || part.member === undefined) return;
      const { member: memberOf } = part;
      defineProperty(GuestContext.prototype, member, {
        get(this: GuestContext) {
          return memberOf(new StepDoor(GuestContext.stepOf(this)));
        },
        enumerable: false,
        configurable: false,
      });
    },

    load(programJson) {
      closeClass(GuestContext);
      realm.freezeAll(closedClasses.splice(0));
      realm.seal();
      program = parse(programJson) as Program;
      compiled = new Map();
      let imported: Record<string, unknown> = {};
      try {
        if (program.modules !== undefined) imported = evaluateModules(program.modules);
      } catch (error) {
        return describeError(
          new KernelError('node_failed', `what the workflow imports could not be evaluated: ${failureTextOf(error)}`),
          program.start,
          null,
        );
      }
      for (const definition of program.nodes) {
        let run: AnyFunction | null = null;
        const uses = definition.type === 'code' ? definition.code.uses : [];
        try {
          if (definition.type === 'code') {
            const construct = definition.code.async ? AsyncFunction : PlainFunction;
            const { imports = [] } = definition.code;
            run = construct(
              ...imports.map(({ local }) => local),
              'input',
              'ctx',
              'nodes',
              'prev',
              ...(uses.includes('error') ? ['error'] : []),
              `"use strict";\n${definition.code.source}\n//# sourceURL=nflow/${definition.name}`,
            );
            if (imports.length > 0) run = run.bind(undefined, ...imports.map(({ key }) => imported[key]));
          } else {
            compileExpressions(definition);
          }
        } catch (error) {
          return describeError(error, definition.name, null);
        }
        compiled.set(definition.name, {
          definition,
          run,
          usesInput: uses.includes('input'),
          usesCtx: uses.includes('ctx'),
          usesNodes: uses.includes('nodes'),
          usesPrev: uses.includes('prev'),
          usesError: uses.includes('error'),
          nameJson: stringify(definition.name),
        });
      }
      return '';
    },

    start(packed) {
      current = null;
      const headEnd = packed.indexOf('\n');
      const head = packed.slice(0, headEnd).split(' ');
      const id = Number(head[0]);
      let at = headEnd + 1;
      const take = (size: string | undefined): string => {
        const from = at;
        at += Number(size);
        return packed.slice(from, at);
      };
      const executionId = take(head[4]);
      const seed = take(head[5]);
      const inputJson = take(head[6]);
      const resumeJson = take(head[7]);
      const bodyJson = head[3] === '1' ? packed.slice(at) : null;
      let checkedBody: { value: unknown } | null = null;
      if (bodyJson !== null) {
        try {
          checkedBody = { value: parse(bodyJson) };
        } catch (error) {
          return `B\n${cut(readText(error, 'message'), 300)}`;
        }
      }
      const run: Run = {
        id,
        executionId,
        version: Number(head[1]),
        seed,
        inputJson,
        bodyJson,
        checkedBody,
        step: null,
        outputs: new Map(),
        prevJson: null,
        errorJson: null,
        traceEntries: [],
        traceOutputs: [],
        reported: 0,
        effectCount: 0,
        pendingCount: 0,
        timerCount: 0,
        pendingTimers: 0,
        outbox: null,
        logs: null,
        logsSize: 0,
        originUs: clockUs(),
        elapsedUs: 0,
        answer: null,
        isKept: false,
      };
      current = run;
      currentTimeMs = Number(head[2]);
      let first: CompiledNode | null = compiled.get(program.start) as CompiledNode;
      if (resumeJson !== '') {
        const resume = parse(resumeJson) as { finished: string[]; elapsedUs: number };
        run.originUs -= resume.elapsedUs;
        run.elapsedUs = resume.elapsedUs;
        for (const entryJson of resume.finished) {
          const entry = parse(entryJson) as [string, number, number, number, number, unknown];
          const outputJson = stringify(entry[5] ?? null);
          run.traceEntries.push(stringify(entry.slice(0, 5)).slice(0, -1));
          run.traceOutputs.push(outputJson);
          const { definition } = compiled.get(entry[0]) as CompiledNode;
          const hasFailed = entry[2] === 0;
          run.errorJson = hasFailed ? outputJson : null;
          if (!hasFailed) {
            run.outputs.set(entry[0], outputJson);
            run.prevJson = outputJson;
          }
          const next = hasFailed ? (definition.onError ?? null) : nextOf(definition, outputJson);
          first = next === null ? null : (compiled.get(next) as CompiledNode);
        }
        run.reported = run.traceEntries.length;
      }
      if (first === null) endRun(run, 0, '', run.prevJson ?? 'null');
      else advance(run, first);
      return run.answer ?? '';
    },

    deliver(packed) {
      current = null;
      const headEnd = packed.indexOf('\n');
      const head = packed.slice(0, headEnd).split(' ');
      const run = runs.get(Number(head[0]));
      if (run === undefined) return 'X\n';
      const jsonAt = headEnd + 1 + Number(head[4]);
      const stepPath = packed.slice(headEnd + 1, jsonAt);
      const json = packed.slice(jsonAt);
      const seq = Number(head[1]);
      current = run;
      currentTimeMs = Number(head[3]);
      const step = run.step;
      if (seq < 0) {
        const timer = step !== null && step.path === stepPath ? step.timers?.get(seq) : undefined;
        if (timer !== undefined) fireTimer(step as Step, timer);
        return '';
      }
      const pending = step !== null && step.path === stepPath ? step.pending?.get(seq) : undefined;
      if (pending === undefined) return '';
      (step as Step).pending?.delete(seq);
      run.pendingCount--;
      if (head[2] !== '1') {
        pending.reject(effectError(json));
        return '';
      }
      try {
        pending.resolve(pending.decode(json));
      } catch (error) {
        pending.reject(error);
      }
      return '';
    },

    drain() {
      return current === null ? '' : finishSegment(current);
    },

    drainRejected(message) {
      if (current?.step != null)
        log(current.step, 'warn', [`a promise was rejected and nobody looked at it: ${message}`]);
      return current === null ? '' : finishSegment(current);
    },

    drop(id) {
      const run = runs.get(id);
      if (run === undefined) return;
      runs.delete(id);
      if (run.step !== null) closeStep(run.step);
    },
  };
}
