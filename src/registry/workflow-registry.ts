import type { Config } from '../config/config.ts';
import type { ActiveWorkflow } from '../engine/port.ts';
import type { PublishedVersion, WorkflowStore } from '../store/port.ts';
import { compileWorkflow } from '../workflow/compile.ts';
import type { CompiledWorkflow, Finding, HttpTrigger } from '../workflow/compiled.ts';
import { buildRoutes, type RouteConflict, type RouteTable } from '../workflow/routes.ts';

export interface RegistryOptions {
  vars: Config['vars'];
  /** Null without a store: versions are numbered in memory. */
  store: WorkflowStore | null;
  log: { warn(message: string): void };
}

export interface PublishReport {
  published: string[];
  unchanged: string[];
  conflicts: RouteConflict[];
}

/**
 * The workflows of this server: the published version of each, its program, and the routes to them. The route table is built anew and
 * swapped whole, so a request sees the old one or the new one.
 */
export class WorkflowRegistry {
  readonly #options: RegistryOptions;
  readonly #active = new Map<string, ActiveWorkflow>();
  /** Versions that executions still refer to, by id. */
  readonly #versions = new Map<number, ActiveWorkflow>();
  #routes: RouteTable<ActiveWorkflow> = buildRoutes<ActiveWorkflow>([]).table;
  #lastProgramId = 0;
  #lastVersionId = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get routes(): RouteTable<ActiveWorkflow> {
    return this.#routes;
  }

  list(): ActiveWorkflow[] {
    return [...this.#active.values()].sort((left, right) => (left.compiled.name < right.compiled.name ? -1 : 1));
  }

  get(name: string): ActiveWorkflow | undefined {
    return this.#active.get(name);
  }

  /** Activates what the store has published. A version that does not compile any more is left out, and said. */
  async load(): Promise<void> {
    const { store, log } = this.#options;
    for (const version of (await store?.published()) ?? []) {
      const active = this.#compile(version);
      if (active === null)
        log.warn(`workflow ${version.workflow} version ${version.version} does not compile any more: it is not served`);
      else this.#active.set(version.workflow, active);
    }
    this.#rebuildRoutes();
  }

  /**
   * Publishes workflows that passed validation: unchanged ones are left alone. One whose routes conflict with what is published under
   * another name is not published.
   */
  async publish(workflows: CompiledWorkflow[]): Promise<PublishReport> {
    const report: PublishReport = { published: [], unchanged: [], conflicts: [] };
    for (const compiled of workflows) {
      const conflicts = this.#conflictsOf(compiled);
      if (conflicts.length > 0) {
        report.conflicts.push(...conflicts);
        continue;
      }
      const changed = await this.#publishOne(compiled);
      (changed ? report.published : report.unchanged).push(compiled.name);
    }
    this.#rebuildRoutes();
    return report;
  }

  /** The version that an execution was started with, for going on with it. Null when the store does not have it or it does not compile. */
  async version(versionId: number): Promise<ActiveWorkflow | null> {
    const known = this.#versions.get(versionId);
    if (known !== undefined) return known;
    const stored = (await this.#options.store?.version(versionId)) ?? null;
    return stored === null ? null : this.#compile(stored);
  }

  async #publishOne(compiled: CompiledWorkflow): Promise<boolean> {
    const { store } = this.#options;
    if (store === null) {
      this.#active.set(compiled.name, this.#activate(compiled, ++this.#lastVersionId, 1));
      return true;
    }
    const { version, changed } = await store.publish(compiled.name, compiled.definitionText);
    if (changed || !this.#active.has(compiled.name)) {
      this.#active.set(compiled.name, this.#activate(compiled, version.versionId, version.version));
    }
    return changed;
  }

  #compile(version: PublishedVersion): ActiveWorkflow | null {
    const known = this.#versions.get(version.versionId);
    if (known !== undefined) return known;
    const result: { ok: true; compiled: CompiledWorkflow } | { ok: false; findings: Finding[] } = compileWorkflow(
      version.definitionText,
      this.#options.vars,
    );
    return result.ok ? this.#activate(result.compiled, version.versionId, version.version) : null;
  }

  #activate(compiled: CompiledWorkflow, versionId: number, version: number): ActiveWorkflow {
    const program = { id: ++this.#lastProgramId, workflow: compiled.name, text: JSON.stringify(compiled.program) };
    const active: ActiveWorkflow = { versionId, version, compiled, program };
    this.#versions.set(versionId, active);
    return active;
  }

  #entries(without: string | null) {
    const entries: { workflow: string; trigger: HttpTrigger; effectFree: boolean; target: ActiveWorkflow }[] = [];
    for (const active of this.#active.values()) {
      if (active.compiled.name !== without) entries.push(...entriesOf(active.compiled, active));
    }
    return entries;
  }

  #conflictsOf(compiled: CompiledWorkflow): RouteConflict[] {
    const candidate = { versionId: 0, version: 0, compiled, program: { id: 0, workflow: compiled.name, text: '' } };
    return buildRoutes<ActiveWorkflow>([...this.#entries(compiled.name), ...entriesOf(compiled, candidate)]).conflicts;
  }

  #rebuildRoutes(): void {
    const { table, conflicts } = buildRoutes<ActiveWorkflow>(this.#entries(null));
    for (const conflict of conflicts) this.#options.log.warn(`routes conflict: ${JSON.stringify(conflict)}`);
    this.#routes = table;
  }
}

function entriesOf(compiled: CompiledWorkflow, target: ActiveWorkflow) {
  return compiled.triggers
    .filter((trigger): trigger is HttpTrigger => trigger.type === 'http')
    .map((trigger) => ({ workflow: compiled.name, trigger, effectFree: compiled.effectFree, target }));
}
