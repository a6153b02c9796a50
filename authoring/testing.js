/**
 * Tests of workflows without a server and without a database. Plain JavaScript: it is loaded by whatever test runner, on Node ≥ 20. The
 * workflow itself runs in a process of its own, on the Node that nFlow brings, since its VMs need that; one process serves all
 * tests of a file.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from '../bin/pinned-node.mjs';

const source = fileURLToPath(new URL('../src/cli/workflow-test.ts', import.meta.url));
const built = fileURLToPath(new URL('../dist/cli/workflow-test.js', import.meta.url));

/** @type {{ child: import('node:child_process').ChildProcess, runs: Map<number, object>, stderr: string } | null} */
let host = null;
let lastRun = 0;

/** Runs a workflow file once. See testing.d.ts. */
export function runWorkflow(file, options = {}) {
  const { input = {}, effects = {}, vars = {}, now = null, seed = null } = options;
  const path = file instanceof URL ? fileURLToPath(file) : resolve(file);
  if (!existsSync(path)) return Promise.reject(new Error(`There is no file ${path}.`));
  for (const [kind, stub] of Object.entries(effects)) {
    if (typeof stub === 'function' || Array.isArray(stub)) continue;
    return Promise.reject(
      new TypeError(`effects.${kind}: got ${typeof stub}, allowed is a function of the call, or an array of results`),
    );
  }
  const nowMs = now === null ? null : new Date(now).getTime();
  if (Number.isNaN(nowMs))
    return Promise.reject(new TypeError(`now: got ${now}, allowed is a Date, or what new Date() takes`));
  return new Promise((settle, reject) => {
    const { child, runs } = startHost();
    const id = ++lastRun;
    const run = { settle, reject, performed: [], stubs: { ...effects }, used: new Map() };
    runs.set(id, run);
    hold(child, true);
    const order = { type: 'run', id, file: path, input, vars, kinds: Object.keys(effects), nowMs };
    child.send({ ...order, seed: seed === null ? null : String(seed) });
  });
}

function startHost() {
  if (host !== null) return host;
  const child = spawn(findNode(), [existsSync(source) ? source : built], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Flags of the test runner are not for it.
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined },
  });
  const started = { child, runs: new Map(), stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text) => {
    started.stderr = (started.stderr + text).slice(-10_000);
  });
  child.on('message', (message) => onMessage(started, message));
  const onEnd = (reason) => {
    if (host === started) host = null;
    for (const { reject } of started.runs.values()) {
      reject(new Error(`The process that runs workflows has ended (${reason}).\n${started.stderr}`));
    }
    started.runs.clear();
  };
  child.on('error', (error) => onEnd(error.message));
  child.on('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
  host = started;
  return started;
}

/** Without a run under way it keeps nobody from ending: it ends with its parent. */
function hold(child, isBusy) {
  const change = isBusy ? 'ref' : 'unref';
  child[change]();
  child.channel?.[change]();
  child.stderr[change]?.();
}

async function onMessage({ child, runs }, message) {
  const run = runs.get(message.type === 'effect' ? message.run : message.id);
  if (run === undefined) return;
  if (message.type === 'effect') {
    child.send({ type: 'effect', id: message.id, ...(await perform(run, message.kind, message.call)) });
    return;
  }
  runs.delete(message.id);
  if (runs.size === 0) hold(child, false);
  if (message.type === 'failed') run.reject(new Error(message.message));
  else run.settle({ ...message.result, effects: run.performed });
}

async function perform(run, kind, call) {
  const record = { kind, call };
  run.performed.push(record);
  try {
    record.result = (await answerOf(run, kind, call)) ?? null;
    return { ok: true, value: record.result };
  } catch (error) {
    record.error = error instanceof Error ? error.message : String(error);
    return { ok: false, message: record.error };
  }
}

function answerOf({ stubs, used }, kind, call) {
  const stub = stubs[kind];
  if (typeof stub === 'function') return stub(call);
  const index = used.get(kind) ?? 0;
  used.set(kind, index + 1);
  if (index < stub.length) return stub[index];
  throw new Error(`effects.${kind} has ${stub.length} results, and this is call ${index + 1}: ${JSON.stringify(call)}`);
}
