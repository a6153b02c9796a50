import type { ExecutionEvents } from '../../engine/port.ts';
import type { TestRuns } from '../../engine/test-run.ts';
import type { WorkflowAdministration } from '../../registry/port.ts';
import type { SecretAdministration } from '../../secrets/port.ts';
import type { History, StoredIncarnation } from '../../store/port.ts';
import { refusal } from '../problem.ts';
import { RequestRefused } from '../request-refused.ts';

/** What the server knows of itself. */
export interface SystemFacts {
  version: string;
  /** Name of the machine. */
  server: string;
  /** Of this gateway; null without a store. */
  incarnation: string | null;
  startedAt: Date;
  readiness(): { ready: boolean; reasons: string[] };
  executionsInFlight(): number;
  workflowsPublished(): number;
  isolation(): { layer: string; isOn: boolean; detail: string }[];
  /** By name with its unit. */
  limits: Readonly<Record<string, number>>;
}

/** What the API works on. A part that this server does not have is null: its routes answer `not_available`. */
export interface ApiParts {
  history: History | null;
  catalog: WorkflowAdministration | null;
  testRuns: TestRuns | null;
  events: ExecutionEvents | null;
  /** The definition of a version, also of one that is no longer published. */
  definitionOf: (versionId: number) => Promise<string | null>;
  incarnations: (() => Promise<StoredIncarnation[]>) | null;
  secrets: SecretAdministration | null;
  system: SystemFacts;
  /** Aborted when the server begins to stop: what goes on by itself ends then. */
  stopping: AbortSignal;
}

/** Throws RequestRefused `not_available` without the part. */
export function required<Part>(part: Part | null, what: string): Part {
  if (part !== null) return part;
  throw new RequestRefused(refusal('not_available', `This server runs without ${what}.`));
}
