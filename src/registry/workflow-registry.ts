import type { Config } from '../config/config.ts';
import type { ResourceTable } from '../config/grants.ts';
import type { ActiveWorkflow } from '../engine/port.ts';
import type { CatalogEntry, Publication, PublishedVersion, WorkflowStore } from '../store/port.ts';
import { compileWorkflow } from '../workflow/compile.ts';
import type { CompiledWorkflow, HttpTrigger } from '../workflow/compiled.ts';
import { type RouteConflict, type RouteEntry, RouteIndex, type RouteTable } from '../workflow/routes.ts';
import { parseSummary, summaryOf } from '../workflow/summary.ts';
import { conflictsAmong, planPublication, type RouteOwners } from './publication-plan.ts';
import { Queue } from './queue.ts';
import { type Compilation, ServedVersion, type VersionIdentity } from './served-version.ts';
import { Turns } from './turns.ts';

export interface RegistryOptions {
  vars: Config['vars'];
  /** Retention classes that a workflow may name. Default: any. */
  historyClasses?: readonly string[];
  /** What workflows are granted. Default: a workflow may name any resource; the gateway still refuses to use it. */
  resources?: ResourceTable;
  /** Null without a store: versions are numbered in memory. */
  store: WorkflowStore | null;
  /** Fixed paths that the server answers by its configuration. Default: none. */
  reservedPaths?: ReadonlySet<string>;
  /** The release of nFlow that this is: what another one noted about a version is not relied on. */
  release?: string;
  log: { warn(message: string): void };
}

export interface PublishOptions {
  /** Label of where they come from, such as a folder. Without one a workflow keeps the label that it has. */
  origin?: string;
  /** Archives what has this label and is not among the workflows. Only with `origin`. */
  prune?: boolean;
  /** Of prune: names that stay although they are not among the workflows, such as those whose file has a mistake now. */
  keep?: readonly string[];
  /** Tells what would happen, and changes nothing. */
  dryRun?: boolean;
  /** The workflows were published from their drafts, which are done with. */
  draftsDone?: boolean;
}

export interface PublishReport {
  published: string[];
  unchanged: string[];
  conflicts: RouteConflict[];
  /** By `prune`. */
  removed: string[];
}

/** Versions that are not published, kept for executions that go on with them and for a look into the history. */
const pastVersionsMax = 200;

/**
 * The workflows of this server: the published version of each, its program, and the routes to them. All changes go one after the
 * other; each is written to the store first, and then takes effect here at once and as a whole, so that a request sees what was
 * before it or what is after it. What other servers publish is followed by the revision of the catalog.
 */
export class WorkflowRegistry {
  readonly #options: RegistryOptions;
  readonly #release: string;
  readonly #reservedPaths: ReadonlySet<string>;
  readonly #compilation: Compilation;
  readonly #active = new Map<string, ServedVersion>();
  readonly #activeById = new Map<number, ServedVersion>();
  readonly #origins = new Map<string, string>();
  /** Oldest first. */
  readonly #past = new Map<number, ServedVersion>();
  readonly #routes: RouteIndex<ActiveWorkflow>;
  readonly #queue = new Queue();
  #revision = 0;
  #lastProgramId = 0;
  #lastVersionId = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#release = options.release ?? 'unreleased';
    this.#reservedPaths = options.reservedPaths ?? new Set();
    this.#routes = new RouteIndex(this.#reservedPaths);
    this.#compilation = { vars: options.vars, nextProgramId: () => ++this.#lastProgramId };
  }

  get routes(): RouteTable<ActiveWorkflow> {
    return this.#routes;
  }

  get vars(): Config['vars'] {
    return this.#options.vars;
  }

  /** For compiling what authors wrote. */
  get historyClasses(): readonly string[] | undefined {
    return this.#options.historyClasses;
  }

  /** For compiling what authors wrote. */
  get resources(): ResourceTable | undefined {
    return this.#options.resources;
  }

  get release(): string {
    return this.#release;
  }

  list(): ActiveWorkflow[] {
    return [...this.#active.values()].sort((left, right) => (left.compiled.name < right.compiled.name ? -1 : 1));
  }

  get(name: string): ActiveWorkflow | undefined {
    return this.#active.get(name);
  }

  /** The label of what published it. */
  originOf(name: string): string | null {
    return this.#origins.get(name) ?? null;
  }

  /** Activates what the store has published, and follows it from then on. A version that does not compile any more is left out, and said. */
  async load(): Promise<void> {
    const { store } = this.#options;
    if (store === null) return;
    await this.#queue.add(async () => {
      const { revision, entries } = await store.catalog();
      this.#revision = revision;
      await this.#activate(entries, []);
    });
    store.onRevision((seen) => {
      if (seen > this.#revision) void this.#queue.add(() => this.#catchUp(store)).catch((error) => this.#warn(error));
    });
  }

  /**
   * Publishes workflows that passed validation, all or nothing but for these: unchanged ones are left alone, and one whose routes
   * conflict is not published.
   */
  async publish(workflows: CompiledWorkflow[], options: PublishOptions = {}): Promise<PublishReport> {
    return this.#queue.add(async () => {
      for (;;) {
        const removed = this.#outdated(workflows, options);
        const { accepted, conflicts } = planPublication(workflows, new Set(removed), this.#owners());
        const changed =
          options.dryRun === true ? this.#differing(accepted) : await this.#write(accepted, removed, options);
        if (changed === null) continue;
        const published = accepted.map(({ name }) => name).filter((name) => changed.has(name));
        const unchanged = accepted.map(({ name }) => name).filter((name) => !changed.has(name));
        return { published, unchanged, conflicts, removed };
      }
    });
  }

  /** Takes workflows back: they answer no more. False when none of them was known. */
  async takeBack(names: readonly string[], archive: boolean): Promise<boolean> {
    return this.#queue.add(async () => {
      const { store } = this.#options;
      const active = names.filter((name) => this.#active.has(name));
      if (store === null) {
        await this.#activate([], active);
        return active.length > 0;
      }
      const takenBack = names.map((workflow) => ({ workflow, archive }));
      const published = await store.publishAll({ revision: null, versions: [], takenBack, draftsDone: [] });
      await this.#catchUp(store);
      return published !== null;
    });
  }

  /** The version that an execution was started with, for going on with it. Null when the store does not have it or it does not compile. */
  async version(versionId: number): Promise<ActiveWorkflow | null> {
    const known = this.#known(versionId);
    if (known !== undefined) return known;
    const stored = (await this.#options.store?.version(versionId)) ?? null;
    return stored === null ? null : this.serve(stored);
  }

  /** A version of the store, ready to be run. Null when it does not compile. */
  serve(version: PublishedVersion): ActiveWorkflow | null {
    const known = this.#known(version.versionId);
    if (known !== undefined) return known;
    const made = this.#compile(version);
    if (made !== null) this.#keepPast(made);
    return made;
  }

  /** Ready to be run, and known to nobody: for a test of it. */
  serveOnce(compiled: CompiledWorkflow, { versionId, version }: Omit<VersionIdentity, 'workflow'>): ActiveWorkflow {
    return ServedVersion.ofCompiled({ workflow: compiled.name, versionId, version }, compiled, this.#compilation);
  }

  #known(versionId: number): ServedVersion | undefined {
    return this.#activeById.get(versionId) ?? this.#past.get(versionId);
  }

  #keepPast(version: ServedVersion): void {
    this.#past.delete(version.versionId);
    this.#past.set(version.versionId, version);
    if (this.#past.size <= pastVersionsMax) return;
    const [oldest] = this.#past.keys();
    this.#past.delete(oldest as number);
  }

  /** What `prune` archives. */
  #outdated(workflows: readonly CompiledWorkflow[], { origin, prune, keep = [] }: PublishOptions): string[] {
    if (prune !== true || origin === undefined) return [];
    const staying = new Set([...workflows.map(({ name }) => name), ...keep]);
    return [...this.#origins].flatMap(([name, label]) => (label === origin && !staying.has(name) ? [name] : []));
  }

  /** The names that changed; null when somebody else published meanwhile: what is known now is the newest. */
  async #write(workflows: CompiledWorkflow[], removed: string[], options: PublishOptions): Promise<Set<string> | null> {
    const { store } = this.#options;
    const differing = workflows.filter((compiled) => this.#differs(compiled, options.origin));
    if (store === null) return this.#writeInMemory(differing, removed, options.origin ?? null);
    const draftsDone = options.draftsDone === true ? workflows.map(({ name }) => name) : [];
    if (differing.length + removed.length + draftsDone.length === 0) return new Set();
    const publication: Publication = {
      revision: this.#revision,
      versions: await this.#versionsOf(differing, options.origin ?? null),
      takenBack: removed.map((workflow) => ({ workflow, archive: true })),
      draftsDone,
    };
    const written = await store.publishAll(publication);
    if (written === null) {
      await this.#catchUp(store);
      return null;
    }
    this.#revision = written.revision;
    const compiledByName = new Map(differing.map((compiled) => [compiled.name, compiled]));
    await this.#activate(
      written.versions.map(({ version }) => version),
      removed,
      compiledByName,
    );
    return new Set(written.versions.filter(({ changed }) => changed).map(({ version }) => version.workflow));
  }

  async #versionsOf(workflows: readonly CompiledWorkflow[], origin: string | null): Promise<Publication['versions']> {
    const versions: Publication['versions'] = [];
    const turns = new Turns();
    for (const compiled of workflows) {
      const { name: workflow, definitionText } = compiled;
      const summaryText = JSON.stringify(summaryOf(compiled, this.#release));
      versions.push({ workflow, definitionText, summaryText, origin });
      await turns.next();
    }
    return versions;
  }

  #differing(workflows: readonly CompiledWorkflow[]): Set<string> {
    return new Set(workflows.filter((compiled) => this.#differs(compiled, undefined)).map(({ name }) => name));
  }

  #differs({ name, definitionText }: CompiledWorkflow, origin: string | undefined): boolean {
    const isSame = this.#active.get(name)?.compiled.definitionText === definitionText;
    return !isSame || (origin !== undefined && this.#origins.get(name) !== origin);
  }

  async #writeInMemory(workflows: CompiledWorkflow[], removed: string[], origin: string | null): Promise<Set<string>> {
    const entries = workflows.map((compiled): CatalogEntry => {
      const { name: workflow, definitionText } = compiled;
      const versionId = ++this.#lastVersionId;
      return { versionId, workflow, version: 1, definitionText, publishedAt: new Date(), summaryText: null, origin };
    });
    await this.#activate(entries, removed, new Map(workflows.map((compiled) => [compiled.name, compiled])));
    return new Set(workflows.map(({ name }) => name));
  }

  async #catchUp(store: WorkflowStore): Promise<void> {
    const { revision, entries, takenBack } = await store.changesSince(this.#revision);
    if (revision === this.#revision) return;
    await this.#activate(entries, takenBack);
    this.#revision = revision;
  }

  /** Compiles what must be, in turns; then all of it takes effect in one. */
  async #activate(
    entries: readonly CatalogEntry[],
    takenBack: readonly string[],
    compiledByName: ReadonlyMap<string, CompiledWorkflow> = new Map(),
  ): Promise<void> {
    const versions: { version: ServedVersion; origin: string | null }[] = [];
    const gone = [...takenBack];
    const summaries: { versionId: number; summaryText: string }[] = [];
    const turns = new Turns();
    for (const entry of entries) {
      const version = this.#make(entry, compiledByName.get(entry.workflow), summaries);
      if (version === null) gone.push(entry.workflow);
      else versions.push({ version, origin: entry.origin });
      await turns.next();
    }
    this.#swap(versions, gone);
    if (summaries.length > 0) {
      this.#options.store?.keepSummaries(summaries).catch((error) => this.#warn(error));
    }
  }

  #make(
    entry: CatalogEntry,
    compiled: CompiledWorkflow | undefined,
    summaries: { versionId: number; summaryText: string }[],
  ): ServedVersion | null {
    if (compiled !== undefined) return ServedVersion.ofCompiled(entry, compiled, this.#compilation);
    const hasSummary = parseSummary(entry.summaryText, this.#release) !== null;
    const version = this.#compile(entry);
    if (version === null) {
      const { workflow, version: number } = entry;
      this.#options.log.warn(`workflow ${workflow} version ${number} does not compile any more: it is not served`);
    } else if (!hasSummary) {
      const summaryText = JSON.stringify(summaryOf(version.compiled, this.#release));
      summaries.push({ versionId: entry.versionId, summaryText });
    }
    return version;
  }

  #compile(stored: PublishedVersion): ServedVersion | null {
    const identity: VersionIdentity = stored;
    const summary = parseSummary(stored.summaryText, this.#release);
    if (summary !== null) {
      return ServedVersion.ofFacts(identity, stored.definitionText, summary.facts, this.#compilation);
    }
    const result = compileWorkflow(stored.definitionText, this.#options.vars);
    return result.ok ? ServedVersion.ofCompiled(identity, result.compiled, this.#compilation) : null;
  }

  /** Synchronous: no request sees a part of it. */
  #swap(versions: readonly { version: ServedVersion; origin: string | null }[], gone: readonly string[]): void {
    const free = this.#withoutConflicts(
      versions.map(({ version }) => version),
      gone,
    );
    for (const name of [...gone, ...versions.map(({ version }) => version.compiled.name)]) {
      const before = this.#active.get(name);
      if (before === undefined) continue;
      this.#activeById.delete(before.versionId);
      this.#keepPast(before);
    }
    for (const name of gone) {
      this.#active.delete(name);
      this.#origins.delete(name);
    }
    for (const { version, origin } of versions) {
      const { name } = version.compiled;
      this.#active.set(name, version);
      this.#activeById.set(version.versionId, version);
      this.#past.delete(version.versionId);
      if (origin === null) this.#origins.delete(name);
      else this.#origins.set(name, origin);
    }
    this.#routes.replace([...gone, ...versions.map(({ version }) => version.compiled.name)], free);
  }

  /**
   * Whoever publishes sees to it that there are no conflicts; but a release may see two paths as one that an older one told apart, and
   * a configuration may claim a path for the server itself.
   */
  #withoutConflicts(versions: readonly ServedVersion[], gone: readonly string[]): RouteEntry<ActiveWorkflow>[] {
    const entries = versions.flatMap(entriesOf);
    const conflicts = conflictsAmong(
      versions.map(({ compiled }) => compiled),
      new Set(gone),
      this.#owners(),
    );
    if (conflicts.length === 0) return entries;
    const refused = new Set<string>();
    for (const { method, paths, workflows } of conflicts) {
      const claims = workflows.map((workflow, at) => `${workflow} (${paths[at]})`).join(' and of ');
      this.#options.log.warn(`${method} ${paths[0]} is a route of ${claims}: those that came last do not answer it`);
      for (const [at, workflow] of workflows.entries()) refused.add(`${workflow} ${method} ${paths[at]}`);
    }
    return entries.filter(({ workflow, trigger }) => !refused.has(`${workflow} ${trigger.method} ${trigger.path}`));
  }

  #owners(): RouteOwners {
    return { ownerOf: (key) => this.#routes.ownerOf(key), reservedPaths: this.#reservedPaths };
  }

  #warn(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.log.warn(`what other servers published could not be read yet: ${reason}`);
  }
}

function entriesOf(target: ActiveWorkflow): RouteEntry<ActiveWorkflow>[] {
  const { name, triggers, effectFree } = target.compiled;
  return triggers
    .filter((trigger): trigger is HttpTrigger => trigger.type === 'http')
    .map((trigger) => ({ workflow: name, trigger, effectFree, target }));
}
