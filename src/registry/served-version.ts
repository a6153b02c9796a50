import type { ProgramRef } from '../dispatch/port.ts';
import type { ActiveWorkflow } from '../engine/port.ts';
import { NflowError } from '../errors.ts';
import { compileWorkflow, type Vars } from '../workflow/compile.ts';
import type { CompiledWorkflow } from '../workflow/compiled.ts';
import { factsOf, type WorkflowFacts } from '../workflow/summary.ts';

/** What versions share: where program ids come from, and what programs are compiled with. */
export interface Compilation {
  vars: Vars;
  nextProgramId(): number;
}

export interface VersionIdentity {
  workflow: string;
  versionId: number;
  version: number;
}

/**
 * A version that answers. Routes and lists know it by the facts of its summary; it is compiled when it is run first, so that a start
 * with ten thousand workflows costs what is used of them.
 */
export class ServedVersion implements ActiveWorkflow {
  readonly versionId: number;
  readonly version: number;
  readonly compiled: CompiledWorkflow;
  readonly #nextProgramId: () => number;
  #program: ProgramRef | null = null;

  private constructor(
    { versionId, version }: VersionIdentity,
    compiled: CompiledWorkflow,
    nextProgramId: () => number,
  ) {
    this.versionId = versionId;
    this.version = version;
    this.compiled = compiled;
    this.#nextProgramId = nextProgramId;
  }

  static ofCompiled(identity: VersionIdentity, compiled: CompiledWorkflow, compilation: Compilation): ServedVersion {
    const { definitionText, program } = compiled;
    const made = compiledOnDemand(identity.workflow, factsOf(compiled), definitionText, () => program);
    return new ServedVersion(identity, made, compilation.nextProgramId);
  }

  static ofFacts(
    identity: VersionIdentity,
    definitionText: string,
    facts: WorkflowFacts,
    { vars, nextProgramId }: Compilation,
  ): ServedVersion {
    const compiled = compiledOnDemand(identity.workflow, facts, definitionText, () =>
      compileAgain(identity, definitionText, vars),
    );
    return new ServedVersion(identity, compiled, nextProgramId);
  }

  /** Throws NflowError `internal_error` when the definition does not compile, which its summary said it does. */
  get program(): ProgramRef {
    this.#program ??= {
      id: this.#nextProgramId(),
      workflow: this.compiled.name,
      trustGroup: this.compiled.trustGroup,
      text: JSON.stringify(this.compiled.program),
    };
    return this.#program;
  }
}

/** All of one shape: requests read them. */
function compiledOnDemand(
  name: string,
  facts: WorkflowFacts,
  definitionText: string,
  compile: () => CompiledWorkflow['program'],
): CompiledWorkflow {
  let program: CompiledWorkflow['program'] | null = null;
  return {
    ...facts,
    name,
    definitionText,
    get program() {
      program ??= compile();
      return program;
    },
  };
}

function compileAgain(
  { workflow, version }: VersionIdentity,
  definitionText: string,
  vars: Vars,
): CompiledWorkflow['program'] {
  const result = compileWorkflow(definitionText, vars);
  if (result.ok) return result.compiled.program;
  const [finding] = result.findings;
  throw new NflowError('internal_error', `version ${version} of ${workflow} does not compile any more`, {
    workflow,
    pointer: finding?.pointer,
    got: finding?.message,
    remedy: 'publish it again',
  });
}
