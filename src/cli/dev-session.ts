/** What `nflow dev` does in the gateway: publishes on save, and prints every execution. */
import { dirname, join } from 'node:path';
import type { Answer, Engine, ExecutionRequest } from '../engine/port.ts';
import type { PublishReport, WorkflowRegistry } from '../registry/workflow-registry.ts';
import type { ExecutionView } from '../server/api/schemas/execution-schemas.ts';
import type { WorkflowReport } from '../supervisor/messages.ts';
import { type LoadedFiles, loadWorkflowFiles } from '../workflow/folder.ts';
import type { Evaluator } from '../workflow/module/evaluator.ts';
import { formatDevExecution, formatReload, type NodeFiles } from './dev-output.ts';
import { FileWatch } from './file-watch.ts';
import { formatMistakes, originOf, reportOf } from './publish.ts';
import { writeLine } from './terminal.ts';

export interface DevSessionOptions {
  registry: WorkflowRegistry;
  paths: readonly string[];
  evaluator: Evaluator;
  /** An execution of the history; null when it is not there. */
  find: (executionId: string) => Promise<ExecutionView | null>;
}

/**
 *   created ── publish ──► published ── watch ──► watching ── close ──► closed
 *
 * What is published carries the label of the watched paths, so that a workflow whose file is gone is taken back, also one whose file
 * went while nobody watched.
 */
export class DevSession {
  readonly #options: DevSessionOptions;
  readonly #origin: string;
  readonly #watch: FileWatch;
  /** The name that each file had when it was last good. */
  readonly #names = new Map<string, string>();
  /** Of each workflow, the file of the author that each node's code is in. */
  readonly #nodeFiles = new Map<string, NodeFiles>();
  #mistakes = '';

  constructor(options: DevSessionOptions) {
    this.#options = options;
    this.#origin = originOf(options.paths);
    this.#watch = new FileWatch(options.paths, () => this.#reload());
  }

  async publish(): Promise<WorkflowReport> {
    const { loaded, report } = await this.#publish();
    const { conflicts, published, unchanged } = report;
    this.#mistakes = formatMistakes(loaded, conflicts);
    return reportOf(this.#options.registry, loaded, conflicts, published.length, unchanged.length);
  }

  watch(): Promise<void> {
    return this.#watch.start();
  }

  close(): void {
    this.#watch.close();
  }

  /** The same engine, with a line on the terminal for every execution that ends. */
  observe(engine: Engine): Engine {
    return {
      execute: (request, onAnswer) =>
        engine.execute(request, (answer) => {
          onAnswer(answer);
          void this.#printExecution(request, answer, performance.now() - request.receivedMs);
        }),
      get inFlight() {
        return engine.inFlight;
      },
      drain: (drainMs) => engine.drain(drainMs),
    };
  }

  async #reload(): Promise<void> {
    try {
      const { loaded, report } = await this.#publish();
      const mistakes = formatMistakes(loaded, report.conflicts);
      const text = formatReload({
        published: report.published.map((name) => ({
          name,
          version: this.#options.registry.get(name)?.version ?? 0,
        })),
        removed: report.removed,
        mistakes,
        hadMistakes: this.#mistakes !== '',
      });
      this.#mistakes = mistakes;
      if (text !== '') writeLine(text);
    } catch (error) {
      writeLine(formatReload({ published: [], removed: [], mistakes: messageOf(error), hadMistakes: false }));
    }
  }

  async #publish(): Promise<{ loaded: LoadedFiles; report: PublishReport }> {
    const { registry, paths, evaluator } = this.#options;
    const loaded = await loadWorkflowFiles(paths, { vars: registry.vars, evaluator });
    for (const workflow of loaded.workflows) {
      this.#names.set(workflow.file, workflow.name);
      this.#nodeFiles.set(workflow.name, nodeFilesOf(workflow));
    }
    const keep = loaded.refused.flatMap((file) => this.#names.get(file) ?? []);
    // A file that was never good may be that of any workflow: then nothing is taken back.
    const prune = loaded.isComplete && loaded.refused.every((file) => this.#names.has(file));
    const report = await registry.publish(loaded.workflows, { origin: this.#origin, prune, keep });
    return { loaded, report };
  }

  async #printExecution(request: ExecutionRequest, answer: Answer, durationMs: number): Promise<void> {
    const { name } = request.workflow.compiled;
    const execution =
      answer.error !== null && answer.executionId !== null ? await this.#find(answer.executionId) : null;
    writeLine(
      formatDevExecution({ request, answer, durationMs, execution, files: this.#nodeFiles.get(name) ?? new Map() }),
    );
  }

  /** Its row may be behind its answer, when it is not durable. */
  async #find(executionId: string): Promise<ExecutionView | null> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const found = await this.#options.find(executionId).catch(() => null);
      if (found !== null && found.endedAt !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return null;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nodeFilesOf({ file, program }: LoadedFiles['workflows'][number]): NodeFiles {
  return new Map(
    program.nodes.flatMap((node): [string, { file: string; isWholeFile: boolean }][] => {
      if (node.type !== 'code') return [];
      const own = node.code.file;
      return [
        [
          node.name,
          own === null ? { file, isWholeFile: false } : { file: join(dirname(file), own), isWholeFile: true },
        ],
      ];
    }),
  );
}
