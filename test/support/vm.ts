/** Runs code in a VM of its own, without a runner: for tests of the guest kernel. */
import { packDelivery, packStart } from '../../src/protocol/crossing.ts';
import type { Code, Program, ProgramNode } from '../../src/protocol/program.ts';
import { Vm } from '../../src/runner/vm.ts';
import { effectPartsOf } from '../../src/workflow/uses.ts';
import { webGlobalsOf } from '../../src/workflow/web-globals.ts';
import { testLimits } from './execution-harness.ts';

export const testSeed = '00112233445566778899aabbccddeeff';
const segmentTimeoutMs = 10_000;

export type GuestAnswer =
  | {
      kind: 'ended';
      output: unknown;
      outputJson: string;
      httpStatus: number;
      headers: unknown;
      trace: unknown[];
      logs: unknown[][];
      effects: unknown[][];
    }
  | { kind: 'failed'; error: Record<string, unknown>; httpStatus: number; trace: unknown[] }
  | { kind: 'waits'; effects: unknown[][]; finished: string[] }
  | { kind: 'badBody'; message: string };

export function code(source: string, async = true): Code {
  return { source, file: null, async, uses: ['input', 'ctx', 'nodes', 'prev'] };
}

export function codeNode(name: string, source: string, next: string | null = null, async = true): ProgramNode {
  return { name, type: 'code', code: code(source, async), next };
}

export function programOf(
  nodes: ProgramNode[],
  vars: Record<string, unknown> = {},
  isolation: Program['isolation'] = 'shared',
): Program {
  const start = (nodes[0] as ProgramNode).name;
  const varsJson = JSON.stringify(vars);
  const parts = { webGlobals: webGlobalsOf(nodes), effectParts: effectPartsOf(nodes) };
  return { workflow: 'test', start, nodes, varsJson, ...parts, isolation };
}

export class Guest {
  readonly vm: Vm;
  readonly loadError: string;
  #lastRun = 0;

  constructor(program: Program, maxMemoryMiB = 64) {
    this.vm = new Vm({ limits: testLimits, maxMemoryMiB });
    this.loadError = this.vm.load(JSON.stringify(program), segmentTimeoutMs);
  }

  [Symbol.dispose](): void {
    this.vm.dispose();
  }

  start(
    options: {
      input?: unknown;
      body?: string | null;
      timeMs?: number;
      seed?: string;
      resume?: { finished: string[]; elapsedUs: number } | null;
    } = {},
  ): GuestAnswer & { run: number } {
    const { input = {}, body = null, timeMs = 1_700_000_000_000, seed = testSeed, resume = null } = options;
    const run = ++this.#lastRun;
    const resumeJson = resume === null ? '' : JSON.stringify(resume);
    const packed = packStart(run, 1, timeMs, 'execution-id', seed, JSON.stringify(input), resumeJson, body !== null);
    return { run, ...parseAnswer(this.vm.start(packed + (body ?? ''), segmentTimeoutMs)) };
  }

  deliver(
    run: number,
    stepPath: string,
    seq: number,
    json: string,
    options: { ok?: boolean; timeMs?: number } = {},
  ): GuestAnswer {
    const { ok = true, timeMs = 1_700_000_001_000 } = options;
    return parseAnswer(this.vm.deliver(packDelivery(run, seq, ok, timeMs, stepPath, json), segmentTimeoutMs));
  }
}

/** Runs one code node to its end and gives its output; throws when it fails or waits. */
export function evaluate(source: string, options: Parameters<Guest['start']>[0] = {}): unknown {
  using guest = new Guest(programOf([codeNode('only', source)]));
  const answer = guest.start(options);
  if (answer.kind !== 'ended') throw new Error(JSON.stringify(answer));
  return answer.output;
}

/** Runs one code node that must fail, and gives its error. */
export function failure(source: string, async = true): Record<string, unknown> {
  using guest = new Guest(programOf([codeNode('only', source, null, async)]));
  const answer = guest.start();
  if (answer.kind !== 'failed') throw new Error(`expected a failure, got ${JSON.stringify(answer)}`);
  return answer.error;
}

function parseAnswer(answer: string): GuestAnswer {
  const headEnd = answer.indexOf('\n');
  const head = answer.slice(0, headEnd).split(' ');
  let at = headEnd + 1;
  const take = (index: number): string => {
    const from = at;
    at += Number(head[index]);
    return answer.slice(from, at);
  };
  const list = (json: string): unknown[][] => (json === '' ? [] : (JSON.parse(json) as unknown[][]));
  if (head[0] === 'B') return { kind: 'badBody', message: answer.slice(at) };
  if (head[0] === 'S') {
    const effects = list(take(1));
    const finished = take(2);
    return { kind: 'waits', effects, finished: finished === '' ? [] : (JSON.parse(finished) as string[]) };
  }
  const headers = take(3);
  const outputJson = take(4);
  const error = take(5);
  const trace = JSON.parse(take(6)) as unknown[];
  const logs = list(take(7));
  const effects = list(take(8));
  const httpStatus = Number(head[2]);
  if (head[1] === '1')
    return { kind: 'failed', error: JSON.parse(error) as Record<string, unknown>, httpStatus, trace };
  return {
    kind: 'ended',
    output: JSON.parse(outputJson) as unknown,
    outputJson,
    httpStatus,
    headers: headers === '' ? null : (JSON.parse(headers) as unknown),
    trace,
    logs,
    effects,
  };
}
