import { createHash } from 'node:crypto';
import type pg from 'pg';
import { EffectFailure } from '../effect-failure.ts';
import { type BatchStatement, runBatch } from './batch.ts';
import { isStatementRefusal } from './failure.ts';

/**
 * The table in the operator's database that makes writing calls take effect once. In one transaction a call puts its key in, does its
 * work, and writes its result beside the key. One that is repeated finds the key: it waits while the first one is still under way, since
 * the key is unique, and then returns the stored result.
 */
export const effectsTableDdl = [
  'CREATE TABLE IF NOT EXISTS nflow_effects (workflow text NOT NULL, key text NOT NULL, fingerprint text NOT NULL, result text, created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (workflow, key))',
  'CREATE INDEX IF NOT EXISTS nflow_effects_created_at ON nflow_effects (created_at)',
] as const;

const undefinedTable = '42P01';
const insufficientPrivilege = '42501';
/** Of one clean-up: one that finds more to do is not the one that must do it. */
const removedAtOnceMax = 10_000;

/** Under which a call is known; keys are a workflow's own. */
export interface EffectKey {
  workflow: string;
  key: string;
  /** Of what is called: the same key for another call is a mistake. */
  fingerprint: string;
}

export function fingerprintOf(argumentsJson: string): string {
  return createHash('sha256').update(argumentsJson).digest('base64url');
}

/**
 * Begins the transaction and puts the key in. Gives the stored result of an earlier call, the transaction being over then; null when
 * this is the first one.
 * @throws EffectFailure `idempotency_key_reused`, `effects_table_missing`; the driver's errors.
 */
export async function beginOnce(client: pg.Client, key: EffectKey): Promise<string | null> {
  const { workflow, fingerprint } = key;
  const values = [workflow, key.key, fingerprint];
  const begin: BatchStatement[] = [
    { text: 'BEGIN' },
    {
      text: 'INSERT INTO nflow_effects (workflow, key, fingerprint) VALUES ($1, $2, $3) ON CONFLICT (workflow, key) DO NOTHING',
      values,
    },
  ];
  let inserted: string | undefined;
  try {
    inserted = (await runBatch(client, begin))[1]?.tag;
  } catch (error) {
    if (!isStatementRefusal(error) || error.code !== undefinedTable) throw explained(error);
    await runBatch(client, [{ text: 'ROLLBACK' }]);
    await createTable(client);
    inserted = (await runBatch(client, begin))[1]?.tag;
  }
  if (inserted === 'INSERT 0 1') return null;
  const [stored] = await runBatch(client, [
    {
      text: 'SELECT result, fingerprint = $3 AS same FROM nflow_effects WHERE workflow = $1 AND key = $2',
      values,
    },
    { text: 'COMMIT' },
  ]);
  const [row] = JSON.parse(stored?.rowsJson ?? '[]') as { result: string; same: boolean }[];
  if (row === undefined) {
    throw new EffectFailure('stored_result_removed', 'its stored result was removed meanwhile', { retryable: true });
  }
  if (!row.same) {
    const message = 'the idempotency key was used by this workflow for another call: give each call a key of its own';
    throw new EffectFailure('idempotency_key_reused', message);
  }
  return row.result;
}

/** Writes the result beside the key, and commits. */
export function commitOnce(key: EffectKey, resultJson: string): BatchStatement[] {
  return [
    {
      text: 'UPDATE nflow_effects SET result = $3 WHERE workflow = $1 AND key = $2',
      values: [key.workflow, key.key, resultJson],
    },
    { text: 'COMMIT' },
  ];
}

export async function removeOldResults(client: pg.Client, retentionMs: number): Promise<void> {
  await runBatch(client, [
    {
      text: `DELETE FROM nflow_effects WHERE ctid = ANY (ARRAY(SELECT ctid FROM nflow_effects WHERE created_at < now() - $1::bigint * interval '1 millisecond' ORDER BY created_at LIMIT ${removedAtOnceMax} FOR UPDATE SKIP LOCKED))`,
      values: [String(retentionMs)],
    },
  ]);
}

/** One at a time: two that create a table at once make one of them fail. */
async function createTable(client: pg.Client): Promise<void> {
  try {
    await runBatch(client, [
      { text: 'BEGIN' },
      { text: "SELECT pg_advisory_xact_lock(hashtext('nflow_effects'))" },
      ...effectsTableDdl.map((text) => ({ text })),
      { text: 'COMMIT' },
    ]);
  } catch (error) {
    throw explained(error);
  }
}

function explained(error: unknown): unknown {
  if (!isStatementRefusal(error) || error.code !== insufficientPrivilege) return error;
  const message = `the role of the datasource may not create or use the table nflow_effects, in which the results of writing calls are kept so that none takes effect twice (SQLSTATE ${error.code}). Create it, with SELECT, INSERT, UPDATE and DELETE for the role: ${effectsTableDdl.join('; ')}; or say "exactlyOnce": false`;
  return new EffectFailure('effects_table_missing', message, { cause: error });
}
