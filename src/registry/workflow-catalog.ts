import type { ActiveWorkflow } from '../engine/port.ts';
import { NflowError } from '../errors.ts';
import type { PublishedVersion, StoredDraft, VersionSummary, WorkflowFilter, WorkflowStore } from '../store/port.ts';
import { type CompileResult, compileWorkflow } from '../workflow/compile.ts';
import type { CompiledWorkflow, Finding } from '../workflow/compiled.ts';
import { type DefinitionDiff, diffDefinitions } from '../workflow/definition-diff.ts';
import { compileSource, definitionFile, nameIn, type WorkflowSource } from '../workflow/published-source.ts';
import { parseSummary, summaryOf, type WorkflowSummary } from '../workflow/summary.ts';
import type {
  BatchOptions,
  BatchReport,
  CatalogVersion,
  CatalogWorkflow,
  NamedSource,
  Publishing,
  RefusedSource,
  VersionName,
  WorkflowAdministration,
} from './port.ts';
import { Turns } from './turns.ts';
import type { WorkflowRegistry } from './workflow-registry.ts';

/** Of test runs. */
const preparedMax = 50;

/** What is done with workflows by name: on the store where nothing has to run, through the registry where something is published. */
export class WorkflowCatalog implements WorkflowAdministration {
  readonly #registry: WorkflowRegistry;
  readonly #store: WorkflowStore;
  /** Oldest first. What is tried again and again is compiled, and known to runners, once. */
  readonly #prepared = new Map<string, ActiveWorkflow>();

  constructor(registry: WorkflowRegistry, store: WorkflowStore) {
    this.#registry = registry;
    this.#store = store;
  }

  async list(filter: WorkflowFilter): Promise<{ items: CatalogWorkflow[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.list(filter);
    return { items: await Promise.all(items.map((item) => this.#withSummary(item))), nextCursor };
  }

  async get(workflow: string): Promise<CatalogWorkflow> {
    const stored = await this.#store.get(workflow);
    if (stored === null) throw noWorkflow(workflow);
    return this.#withSummary(stored);
  }

  async versions(workflow: string, before: number | null, limit: number): Promise<VersionSummary[]> {
    const versions = await this.#store.versions(workflow, before, limit);
    if (versions.length === 0) await this.get(workflow);
    return versions;
  }

  async version(workflow: string, name: number | 'published'): Promise<CatalogVersion> {
    const published = (await this.get(workflow)).published;
    const number = name === 'published' ? published?.version : name;
    const stored = number === undefined ? null : await this.#store.versionOf(workflow, number);
    if (stored === null) throw noVersion(workflow, name);
    const { version, versionId, publishedAt, definitionText } = stored;
    const isPublished = version === published?.version;
    return { version, versionId, publishedAt, isPublished, definitionText, summary: this.#summaryOf(stored) };
  }

  async draft(workflow: string): Promise<StoredDraft & { findings: Finding[] }> {
    const draft = await this.#draft(workflow);
    return { ...draft, findings: this.#findingsOf(workflow, draft).findings };
  }

  async putDraft(
    workflow: string,
    source: WorkflowSource,
    incomplete: boolean,
  ): Promise<{ isKept: boolean; isCreated: boolean; updatedAt: Date | null; findings: Finding[] }> {
    const { findings, isOfThisName } = this.#findingsOf(workflow, source);
    if (!isOfThisName || (findings.length > 0 && !incomplete)) {
      return { isKept: false, isCreated: false, updatedAt: null, findings };
    }
    const { created, updatedAt } = await this.#store.putDraft(workflow, source.definitionText, { ...source.files });
    return { isKept: true, isCreated: created, updatedAt, findings };
  }

  async deleteDraft(workflow: string): Promise<void> {
    if (!(await this.#store.deleteDraft(workflow))) throw noDraft(workflow);
  }

  async publish(workflow: string, source: WorkflowSource | null, origin: string | null): Promise<Publishing> {
    const { compiled, findings } = this.#compile(workflow, source ?? (await this.#draft(workflow)));
    if (compiled === null) return { ok: false, findings };
    return this.#publishOne(compiled, origin, source === null);
  }

  async publishBatch(sources: readonly NamedSource[], options: BatchOptions): Promise<BatchReport> {
    const { compiled, refused, accepted } = await this.#compileAll(sources);
    const keep = refused.flatMap(({ workflow }) => (workflow === null ? [] : [workflow]));
    // A file that cannot be read far enough to know its name may be any of those that would go.
    const prune = options.prune === true && keep.length === refused.length;
    const { origin, dryRun } = options;
    const report = await this.#registry.publish(compiled, { origin, prune, keep, dryRun });
    const versioned = (workflow: string) => ({
      workflow,
      version: this.#registry.get(workflow)?.version ?? 0,
    });
    return {
      published: report.published.map(versioned),
      unchanged: report.unchanged.map(versioned),
      removed: report.removed,
      conflicts: report.conflicts,
      refused,
      accepted,
    };
  }

  async rollBack(workflow: string, version: number): Promise<Publishing> {
    const { definitionText } = await this.version(workflow, version);
    const result = compileWorkflow(definitionText, this.#registry.vars);
    return result.ok ? this.#publishOne(result.compiled, null, false) : result;
  }

  async unpublish(workflow: string): Promise<void> {
    await this.get(workflow);
    await this.#registry.takeBack([workflow], false);
  }

  async archive(workflow: string): Promise<void> {
    await this.get(workflow);
    await this.#registry.takeBack([workflow], true);
  }

  async diff(workflow: string, from: VersionName, to: VersionName): Promise<DefinitionDiff> {
    return diffDefinitions(await this.#definitionText(workflow, from), await this.#definitionText(workflow, to));
  }

  async prepare(
    workflow: string,
    from: VersionName | WorkflowSource,
  ): Promise<{ ok: true; workflow: ActiveWorkflow } | { ok: false; findings: Finding[] }> {
    if (typeof from === 'number' || from === 'published') {
      const version = await this.version(workflow, from);
      const result = compileWorkflow(version.definitionText, this.#registry.vars);
      return result.ok ? { ok: true, workflow: this.#prepare(result.compiled, version) } : result;
    }
    const source = from === 'draft' ? await this.#draft(workflow) : from;
    const { compiled, findings } = this.#compile(workflow, source);
    if (compiled === null) return { ok: false, findings };
    return { ok: true, workflow: this.#prepare(compiled, { versionId: 0, version: 0 }) };
  }

  #prepare(compiled: CompiledWorkflow, identity: { versionId: number; version: number }): ActiveWorkflow {
    const key = `${identity.versionId} ${compiled.definitionText}`;
    const prepared = this.#prepared.get(key) ?? this.#registry.serveOnce(compiled, identity);
    this.#prepared.delete(key);
    this.#prepared.set(key, prepared);
    const [oldest] = this.#prepared.keys();
    if (this.#prepared.size > preparedMax && oldest !== undefined) this.#prepared.delete(oldest);
    return prepared;
  }

  async #publishOne(compiled: CompiledWorkflow, origin: string | null, draftsDone: boolean): Promise<Publishing> {
    const { name } = compiled;
    const options = { draftsDone, ...(origin === null ? {} : { origin }) };
    const { conflicts, published } = await this.#registry.publish([compiled], options);
    if (conflicts.length > 0) return { ok: false, conflicts, triggers: compiled.triggers };
    const version = this.#registry.get(name)?.version;
    // Another server may have taken it back at the same moment.
    if (version === undefined) throw noVersion(name, 'published');
    return { ok: true, workflow: name, version, isChanged: published.length > 0 };
  }

  async #compileAll(
    sources: readonly NamedSource[],
  ): Promise<{ compiled: CompiledWorkflow[] } & Pick<BatchReport, 'refused' | 'accepted'>> {
    const compiled = new Map<string, CompiledWorkflow>();
    const refused: RefusedSource[] = [];
    const accepted = new Map<string, { label: string; triggers: CompiledWorkflow['triggers'] }>();
    const turns = new Turns();
    for (const [index, source] of sources.entries()) {
      const result = this.#compileSource(source);
      if (!result.ok) {
        const workflow = nameIn(source.definitionText);
        const label = source.label ?? workflow ?? `workflows/${index}`;
        refused.push({ label, workflow, findings: result.findings });
      } else if (compiled.has(result.compiled.name)) {
        const { name } = result.compiled;
        const findings = [wrongName(name, 'a name of its own')];
        refused.push({ label: source.label ?? name, workflow: name, findings });
      } else {
        const { name, triggers } = result.compiled;
        accepted.set(name, { label: source.label ?? name, triggers });
        compiled.set(name, result.compiled);
      }
      await turns.next();
    }
    return { compiled: [...compiled.values()], refused, accepted };
  }

  #compileSource(source: WorkflowSource): CompileResult {
    const { vars, historyClasses, resources } = this.#registry;
    return compileSource(source, vars, historyClasses, resources);
  }

  #compile(workflow: string, source: WorkflowSource): { compiled: CompiledWorkflow | null; findings: Finding[] } {
    const result = this.#compileSource(source);
    if (!result.ok) return { compiled: null, findings: result.findings };
    const { name } = result.compiled;
    if (name === workflow) return { compiled: result.compiled, findings: [] };
    return { compiled: null, findings: [wrongName(name, JSON.stringify(workflow))] };
  }

  #findingsOf(workflow: string, source: WorkflowSource): { findings: Finding[]; isOfThisName: boolean } {
    const { findings } = this.#compile(workflow, source);
    const name = findings.length === 0 ? workflow : nameIn(source.definitionText);
    const isOther = name !== null && name !== workflow && findings.every(({ pointer }) => pointer !== '/name');
    if (isOther) findings.unshift(wrongName(name, JSON.stringify(workflow)));
    return { findings, isOfThisName: name === workflow };
  }

  async #draft(workflow: string): Promise<StoredDraft> {
    const draft = await this.#store.draft(workflow);
    if (draft === null) throw noDraft(workflow);
    return draft;
  }

  async #definitionText(workflow: string, name: VersionName): Promise<string> {
    if (name !== 'draft') return (await this.version(workflow, name)).definitionText;
    const { compiled, findings } = this.#compile(workflow, await this.#draft(workflow));
    if (compiled !== null) return compiled.definitionText;
    throw new NflowError('invalid_workflow', `The draft of ${workflow} has mistakes: ${findings[0]?.message ?? ''}`, {
      workflow,
      pointer: findings[0]?.pointer,
    });
  }

  async #withSummary(stored: Omit<CatalogWorkflow, 'summary'>): Promise<CatalogWorkflow> {
    const { published } = stored;
    if (published === null) return { ...stored, summary: null };
    const known = parseSummary(published.summaryText, this.#registry.release);
    if (known !== null) return { ...stored, summary: known };
    const version = await this.#store.version(published.versionId);
    return { ...stored, summary: version === null ? null : this.#summaryOf(version) };
  }

  #summaryOf(version: PublishedVersion): WorkflowSummary | null {
    const { release, vars } = this.#registry;
    const known = parseSummary(version.summaryText, release);
    if (known !== null) return known;
    const result = compileWorkflow(version.definitionText, vars);
    return result.ok ? summaryOf(result.compiled, release) : null;
  }
}

function wrongName(name: string, expected: string): Finding {
  return {
    file: definitionFile,
    pointer: '/name',
    line: 1,
    column: 1,
    code: 'wrong-name',
    got: JSON.stringify(name),
    expected,
    message: `The definition has another name than it is published under here: ${JSON.stringify(name)}.`,
  };
}

function noWorkflow(workflow: string): NflowError {
  return new NflowError('not_found', `There is no workflow ${workflow}.`, { workflow });
}

function noDraft(workflow: string): NflowError {
  return new NflowError('not_found', `The workflow ${workflow} has no draft.`, { workflow });
}

function noVersion(workflow: string, name: number | 'published'): NflowError {
  const what = name === 'published' ? 'no published version' : `no version ${name}`;
  return new NflowError('not_found', `The workflow ${workflow} has ${what}.`, { workflow });
}
