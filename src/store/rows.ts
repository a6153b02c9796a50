/** Turns rows of `executions` and `journal` into what the port shows. */
import { durabilityOf, firstEnded, statusOf, triggerOf } from './codes.ts';
import { unpackText } from './payload.ts';
import type { ExecutionSummary, JournalRecord, Timing } from './port.ts';
import { uuidTimeMs } from './uuid.ts';

export interface SummaryRow {
  id: string;
  version_id: number;
  workflow: string;
  version: number;
  status: number;
  durability: number;
  trigger: number;
  http_status: number | null;
  queue_us: number | null;
  acquire_us: number | null;
  batch_wait_us: number | null;
  /** The driver gives 64-bit integers as text. */
  run_us: string | null;
  effects_us: string | null;
  total_us: string | null;
  started_at_ms: number | null;
  ended_at_ms: number | null;
}

/** Of `nflow.all_executions e`, joined with `workflow_versions v` and `workflows w`. */
export const summaryColumns = `e.id, e.version_id, w.name AS workflow, v.version, e.status, e.durability, e.trigger, e.http_status,
  e.queue_us, e.acquire_us, e.batch_wait_us, e.run_us, e.effects_us, e.total_us, e.started_at_ms, e.ended_at_ms`;

export const summaryJoins = `nflow.all_executions e
  JOIN nflow.workflow_versions v ON v.id = e.version_id JOIN nflow.workflows w ON w.id = v.workflow_id`;

export interface JournalRow {
  execution_id: string;
  step_path: string;
  attempt: number;
  seq: number;
  kind: string;
  arguments_hash: Buffer | null;
  ok: boolean;
  json: Buffer;
  segment: number;
  segment_time_ms: number;
  write_order: number;
}

export const journalColumns =
  'execution_id, step_path, attempt, seq, kind, arguments_hash, ok, json, segment, segment_time_ms, write_order';

/**
 * A journal as it was written. A record may be there twice: the table of its partition was gone when its result was consumed after
 * all. The consumed one counts.
 */
export async function journalOf(rows: JournalRow[]): Promise<JournalRecord[]> {
  const latest = new Map<string, JournalRow>();
  for (const row of rows) {
    const key = `${row.step_path} ${row.attempt} ${row.seq}`;
    const before = latest.get(key);
    if (before === undefined || before.segment < row.segment) latest.set(key, row);
  }
  const records = await Promise.all([...latest.values()].map(recordOf));
  return records.sort((a, b) => a.order - b.order);
}

export function summaryOf(row: SummaryRow): ExecutionSummary {
  const createdAtMs = uuidTimeMs(row.id);
  const timing = timingOf(row);
  // An execution that was written once has no times of its own: they follow from the id and the durations.
  const startedAtMs = row.started_at_ms ?? createdAtMs + (timing?.queueUs ?? 0) / 1000;
  const endedAtMs =
    row.status < firstEnded
      ? null
      : (row.ended_at_ms ?? (timing === null ? null : createdAtMs + timing.totalUs / 1000));
  return {
    id: row.id,
    workflow: row.workflow,
    version: row.version,
    status: statusOf(row.status),
    durability: durabilityOf(row.durability),
    trigger: triggerOf(row.trigger),
    createdAt: new Date(createdAtMs),
    startedAt: new Date(startedAtMs),
    endedAt: endedAtMs === null ? null : new Date(endedAtMs),
    httpStatus: row.http_status,
    timing,
  };
}

async function recordOf(row: JournalRow): Promise<JournalRecord> {
  return {
    stepPath: row.step_path,
    attempt: row.attempt,
    seq: row.seq,
    kind: row.kind,
    argumentsHash: row.arguments_hash,
    ok: row.ok,
    json: await unpackText(row.json),
    segment: row.segment,
    segmentTimeMs: row.segment_time_ms,
    order: row.write_order,
  };
}

function timingOf(row: SummaryRow): (Timing & { batchWaitUs: number }) | null {
  if (row.total_us === null) return null;
  return {
    queueUs: row.queue_us ?? 0,
    acquireUs: row.acquire_us ?? 0,
    runUs: Number(row.run_us ?? 0),
    effectsUs: Number(row.effects_us ?? 0),
    totalUs: Number(row.total_us),
    batchWaitUs: row.batch_wait_us ?? 0,
  };
}
