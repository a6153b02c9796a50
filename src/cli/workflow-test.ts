/**
 * The process behind `@nflow-engine/nflow/testing`: it runs workflows for the process that started it, each in a VM of a real runner,
 * and asks that process for what effects give. It ends with the channel to it.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { createDispatcher } from '../dispatch/dispatcher.ts';
import type { Dispatcher } from '../dispatch/port.ts';
import { createEffects } from '../effects/effects.ts';
import type { ActiveWorkflow } from '../engine/port.ts';
import { runOnce } from '../engine/test-run.ts';
import { NflowError } from '../errors.ts';
import { createLog } from '../observe/log.ts';
import { createGuestLimits } from '../protocol/guest-limits.ts';
import { testExecutionView } from '../server/api/test-run-routes.ts';
import type { CompiledWorkflow, HttpTrigger } from '../workflow/compiled.ts';
import { formatFindings } from '../workflow/finding-text.ts';
import { createSourceReader, loadWorkflowFiles } from '../workflow/folder.ts';
import { createEvaluator } from './workflow-evaluator.ts';
import { type AskForEffect, stubbedEffects, TestClock } from './workflow-test-effects.ts';

interface RunOrder {
  type: 'run';
  id: number;
  file: string;
  input: Record<string, unknown>;
  vars: Record<string, string | number | boolean>;
  /** Kinds of effects that the test performs. */
  kinds: string[];
  nowMs: number | null;
  seed: string | null;
}

/** What a stub gave: `id` is that of the question. */
interface EffectReply {
  type: 'effect';
  id: number;
  ok: boolean;
  value?: unknown;
  message?: string;
}

const { config } = loadConfig({ env: {} });
const log = createLog({ level: 'error' });
const dispatcher = createDispatcher({
  vmPool: { ...config.vmPool, maxSize: 10, preloadSize: 1 },
  fastRunners: 1,
  limits: createGuestLimits(config.server.jsonDepthMax),
  log,
});
const open = new Map<number, (reply: EffectReply) => void>();
let lastQuestion = 0;
let lastProgram = 0;

process.on('message', (message: RunOrder | EffectReply) => {
  if (message.type === 'run') void answer(message);
  else open.get(message.id)?.(message);
});
process.once('disconnect', async () => {
  await (await dispatcher).close();
  process.exit(0);
});

async function answer(order: RunOrder): Promise<void> {
  try {
    process.send?.({ type: 'done', id: order.id, result: await run(order, await dispatcher) });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.send?.({ type: 'failed', id: order.id, message });
  }
}

async function run(order: RunOrder, runners: Dispatcher): Promise<unknown> {
  const compiled = await load(order, runners);
  const id = ++lastProgram;
  const { name } = compiled;
  const workflow: ActiveWorkflow = {
    versionId: id,
    version: 1,
    compiled,
    program: { id, workflow: name, text: JSON.stringify(compiled.program) },
  };
  const clock = new TestClock(order.nowMs ?? Date.now());
  const effects = createEffects(config);
  const ask: AskForEffect = (kind, call) =>
    new Promise((resolve, reject) => {
      const question = ++lastQuestion;
      open.set(question, ({ ok, value, message }) => {
        open.delete(question);
        if (ok) resolve(value);
        else reject(new Error(message));
      });
      process.send?.({ type: 'effect', id: question, run: order.id, kind, call });
    });
  try {
    const inputJson = JSON.stringify({ ...inputOf(compiled), ...order.input });
    const request = { workflow, inputJson, body: null, dryRun: false };
    const seed =
      order.seed === null ? {} : { seed: createHash('sha256').update(order.seed).digest('hex').slice(0, 32) };
    const stubbed = stubbedEffects(effects, new Set(order.kinds), clock, ask);
    const { answer, execution } = await runOnce(request, runners, stubbed, { nowMs: () => clock.nowMs, ...seed });
    return resultOf(workflow, answer, execution);
  } finally {
    await effects.close();
  }
}

async function load({ file, vars }: RunOrder, runners: Dispatcher): Promise<CompiledWorkflow> {
  const folder = dirname(file);
  const { workflows, findings } = await loadWorkflowFiles([file], {
    folder,
    vars,
    evaluator: createEvaluator(runners),
  });
  const [workflow] = workflows;
  if (workflow !== undefined) return workflow;
  throw new Error(
    `${file} has no workflow that could be run:\n${formatFindings(findings, createSourceReader(folder))}`,
  );
}

/** What a request at its first HTTP trigger would give, without what the test says. */
function inputOf({ triggers }: CompiledWorkflow): object {
  const trigger = triggers.find((one): one is HttpTrigger => one.type === 'http');
  if (trigger === undefined) return {};
  return { method: trigger.method, path: trigger.path, params: {}, query: {}, headers: {}, cookies: {}, body: null };
}

function resultOf(
  workflow: ActiveWorkflow,
  { status, headers, body, error }: Awaited<ReturnType<typeof runOnce>>['answer'],
  ended: Awaited<ReturnType<typeof runOnce>>['execution'],
): object {
  if (ended === null) throw error ?? new NflowError('internal_error', 'the workflow was not run');
  const view = testExecutionView(workflow, ended);
  return {
    status: view.status,
    httpStatus: status,
    headers: { ...headers },
    output: body === null ? null : (JSON.parse(Buffer.from(body).toString('utf8')) as unknown),
    error: view.error ?? null,
    steps: view.steps,
    logs: view.logs,
  };
}
