import { existsSync, readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { environmentSecretValues } from '../config/environment-secrets.ts';
import { resourceTableOf } from '../config/grants.ts';
import { loadConfig } from '../config/load.ts';
import { nearestName } from '../config/nearest-name.ts';
import { createDispatcher } from '../dispatch/dispatcher.ts';
import { secretFields } from '../effects/definitions.ts';
import { createEffects } from '../effects/effects.ts';
import { createEngine } from '../engine/engine.ts';
import type { ActiveWorkflow, Answer } from '../engine/port.ts';
import { FileRoot, fileRootPath } from '../files/file-root.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createGuestLimits } from '../protocol/guest-limits.ts';
import { WorkflowRegistry } from '../registry/workflow-registry.ts';
import { unboundSecrets } from '../secrets/environment.ts';
import type { Finding, HttpTrigger } from '../workflow/compiled.ts';
import { isWorkflowFile, type LoadedWorkflow, loadWorkflowFiles } from '../workflow/folder.ts';
import type { Evaluator } from '../workflow/module/evaluator.ts';
import { chooseConfigFile } from './config-file.ts';
import { formatReported, reportWarning } from './error-report.ts';
import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { paintFindings } from './findings.ts';
import type { RunOptions } from './run.ts';
import { colors, errorColors, writeLine } from './terminal.ts';
import { createOwnEvaluator } from './workflow-evaluator.ts';

/** Where a name is looked up, in this order. */
const usualFolders = ['workflows', 'examples'];

/** Runs one workflow to its end, in this process and a runner of its own. */
export async function runOnce(nameOrFile: string, options: RunOptions): Promise<void> {
  const { config, warnings } = loadConfig({ file: chooseConfigFile(options.config) });
  for (const warning of warnings) reportWarning(warning);
  const log = createLog({ level: 'warn' });
  const evaluator = createOwnEvaluator(config, log);
  const workflow = await findWorkflow(nameOrFile, options.workflows, config, evaluator).finally(() =>
    evaluator.close(),
  );
  const input = readInput(options, workflow);
  const answer = await execute(workflow, input, config, log);
  printAnswer(answer, options.full === true);
  if (answer.status >= 400) process.exitCode = exitCode.failed;
}

/** The workflow of a file, or the one of this name in the first of the places that has it. */
async function findWorkflow(
  nameOrFile: string,
  named: string[] | undefined,
  config: Config,
  evaluator: Evaluator,
): Promise<LoadedWorkflow> {
  const isFile = isWorkflowFile(nameOrFile) || nameOrFile.endsWith('.json') || nameOrFile.includes('/');
  const usual = usualFolders.filter((folder) => existsSync(folder)).map((folder) => [folder]);
  const places = isFile ? [[nameOrFile]] : [...(named === undefined ? [] : [named]), ...usual];
  const others: string[] = [];
  const findings: Finding[] = [];
  for (const paths of places) {
    const loaded = await loadWorkflowFiles(paths, { vars: config.vars, evaluator });
    const found = isFile ? loaded.workflows[0] : loaded.workflows.find((workflow) => workflow.name === nameOrFile);
    if (found !== undefined) return found;
    others.push(...loaded.workflows.map((workflow) => workflow.name));
    findings.push(...loaded.findings);
  }
  // What is wrong with other workflows may be why this one is not there.
  if (findings.length > 0) process.stderr.write(`${paintFindings(findings, errorColors)}\n`);
  throw isFile ? nothingToRun(nameOrFile) : unknownWorkflow(nameOrFile, places.flat(), others);
}

function nothingToRun(file: string): CommandFailure {
  return new CommandFailure('invalid_workflow', `${file} has no workflow that could be run.`, exitCode.failed, {
    remedy: existsSync(file) ? 'Correct what is listed.' : 'Name a file that exists, or a workflow by its name.',
  });
}

function unknownWorkflow(name: string, places: string[], known: string[]): CommandFailure {
  const nearest = nearestName(name, known);
  return new CommandFailure('not_found', `There is no workflow ${name}.`, exitCode.failed, {
    got: `looked in ${places.join(', ') || 'no folder: there is neither ./workflows nor ./examples'}`,
    expected: known.length === 0 ? undefined : known.join(', '),
    remedy: nearest === null ? 'Name a file, or a folder with --workflows.' : `Did you mean ${nearest}?`,
  });
}

/** `head` is the input's JSON text; when there is a `body`, without it. */
interface RunInput {
  head: string;
  body: Uint8Array | null;
}

function readInput(options: RunOptions, workflow: LoadedWorkflow): RunInput {
  if (options.body !== undefined && options.input !== undefined) {
    throw new CommandFailure('usage', 'Give either --body or --input.', exitCode.usage, {
      got: 'both',
      expected: '--body for input.body, or --input for the whole input',
    });
  }
  if (options.input !== undefined) return { head: readJson('--input', options.input), body: null };
  const body = Buffer.from(options.body === undefined ? 'null' : readJson('--body', options.body));
  const trigger = workflow.triggers.find((candidate): candidate is HttpTrigger => candidate.type === 'http');
  if (trigger === undefined) return { head: '{}', body };
  const { method, path } = trigger;
  return { head: JSON.stringify({ method, path, params: {}, query: {}, headers: {}, cookies: {} }), body };
}

/** The text of a JSON argument: itself, `@file`, or `-` for stdin. */
function readJson(option: string, argument: string): string {
  const text = readArgument(option, argument);
  try {
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new CommandFailure('usage', `${option} is not JSON: ${(cause as Error).message}`, exitCode.usage, {
      expected: 'JSON text, @FILE or - for stdin',
      cause,
    });
  }
}

function readArgument(option: string, argument: string): string {
  const file = argument === '-' ? 0 : argument.startsWith('@') ? argument.slice(1) : null;
  if (file === null) return argument;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandFailure('usage', `${option}: the file could not be read.`, exitCode.usage, {
      got: `${file === 0 ? 'stdin' : file} (${code === 'ENOENT' ? 'there is no such file' : code})`,
      expected: 'JSON text, @FILE or - for stdin',
      remedy: 'Name a file that you may read.',
      cause,
    });
  }
}

/** One execution in an engine of its own, whose journal lives in memory. */
async function execute(workflow: LoadedWorkflow, input: RunInput, config: Config, log: Log): Promise<Answer> {
  const receivedMs = performance.now();
  const files = new FileRoot(fileRootPath(config, '.nflow'), config.files);
  const effects = createEffects(config, resourceTableOf(config), files, {
    source: unboundSecrets(environmentSecretValues()),
    fields: secretFields,
  });
  const dispatcher = await createDispatcher({
    vmPool: { ...config.vmPool, maxSize: 1, preloadSize: 1 },
    fastRunners: 1,
    limits: createGuestLimits(config.server.jsonDepthMax),
    log,
  });
  const registry = new WorkflowRegistry({ vars: config.vars, store: null, log });
  const engine = createEngine({
    dispatcher,
    effects,
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    findVersion: (versionId) => registry.version(versionId),
    log,
  });
  try {
    await registry.publish([workflow]);
    const active = registry.get(workflow.name) as ActiveWorkflow;
    return await new Promise<Answer>((resolve) => {
      engine.execute(
        { workflow: active, trigger: 'manual', inputJson: input.head, body: input.body, receivedMs },
        resolve,
      );
    });
  } finally {
    engine.close();
    await effects.close();
    await dispatcher.close();
  }
}

function printAnswer(answer: Answer, isFull: boolean): void {
  const { status, headers, body, error } = answer;
  if (isFull) {
    writeLine(colors.bold(String(status)));
    for (const [name, value] of Object.entries(headers ?? {})) writeLine(`${colors.dim(`${name}:`)} ${value}`);
    writeLine();
  }
  if (body !== null) {
    process.stdout.write(body);
    writeLine();
  }
  if (error === null) return;
  const { code, message, details } = error;
  process.stderr.write(
    `${formatReported({ code, message, place: details, ...details, stack: guestStack(details.cause) })}\n`,
  );
}

/** The stack of the author's own code, where the engine passes it on. */
function guestStack(cause: unknown): string | undefined {
  const stack = typeof cause === 'object' && cause !== null && 'stack' in cause ? cause.stack : undefined;
  return typeof stack === 'string' ? stack : undefined;
}
