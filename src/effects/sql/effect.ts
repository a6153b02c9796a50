import type pg from 'pg';
import type { Config, DatasourceConfig } from '../../config/config.ts';
import { EffectFailure, resultOf } from '../effect-failure.ts';
import type { ClosableEffect, EffectContext } from '../port.ts';
import { sqlTraits } from './arguments.ts';
import { type BatchStatement, rowCountOf, runBatch, type StatementResult } from './batch.ts';
import { readSqlCall, type SqlCall, triedSqlCall } from './call.ts';
import { beginOnce, commitOnce, type EffectKey, fingerprintOf, removeOldResults } from './effects-table.ts';
import {
  connectionFailure,
  isStatementRefusal,
  type LossMoment,
  type RefusedPlace,
  type RefusedStatement,
  refusalOf,
} from './failure.ts';
import { pagePrefix, pageResult, pageStatement } from './page.ts';
import { aborted, DatasourcePool, type DatasourceStats } from './pool.ts';
import { firstWordOf, leavesSessionState } from './statement-text.ts';
import { parameterText } from './values.ts';

/** Of one server's clean-ups of stored results. */
const cleanUpIntervalMs = 60 * 60 * 1000;

export interface SqlEffect extends ClosableEffect {
  stats(): DatasourceStats[];
}

interface Datasource {
  config: DatasourceConfig;
  pool: DatasourcePool;
  /** Of `performance.now()`. */
  cleanedUpMs: number;
}

/** How far a call has come on its connection: what its loss means. */
interface Progress {
  moment: LossMoment;
  /** Place of the call's first statement among those that were sent together. */
  firstStatement: number;
}

/**
 * The effect `sql`. What reads runs in a READ ONLY transaction, sent and answered in one round trip. What writes runs in one with a row of
 * `nflow_effects`, so that it takes effect once (`effects-table.ts`).
 */
export function createSqlEffect(datasources: Config['datasources']): SqlEffect {
  const known = new Map<string, Datasource>(
    Object.entries(datasources).map(([name, config]) => [
      name,
      { config, pool: new DatasourcePool(name, config), cleanedUpMs: Number.NEGATIVE_INFINITY },
    ]),
  );
  const isReadOnly = (call: SqlCall): boolean => call.readOnly || known.get(call.datasource)?.config.readOnly === true;
  const jsonOf = async (argumentsJson: string, context: EffectContext): Promise<string> => {
    const call = readSqlCall(argumentsJson);
    const datasource = known.get(call.datasource);
    if (datasource === undefined) {
      throw new EffectFailure('not_granted', `there is no [datasources.${call.datasource}] in the configuration`);
    }
    if (isReadOnly(call)) return read(datasource, call, context.signal);
    if (!call.exactlyOnce) return write(datasource, call, null, context.signal);
    const { workflow, idempotencyKey } = context;
    const key = { workflow, key: idempotencyKey, fingerprint: fingerprintOf(argumentsJson) };
    const json = await write(datasource, call, key, context.signal);
    cleanUp(datasource);
    return json;
  };

  return {
    ...sqlTraits,
    isSafe(argumentsJson) {
      const call = triedSqlCall(argumentsJson);
      return call === null || isReadOnly(call);
    },
    async perform({ argumentsJson }, context) {
      try {
        return { ok: true, json: await jsonOf(argumentsJson, context) };
      } catch (error) {
        return resultOf(describe(argumentsJson), () => Promise.reject(error));
      }
    },
    describe,
    stats: () => [...known.values()].map(({ pool }) => pool.stats),
    close() {
      for (const { pool } of known.values()) pool.close();
    },
  };
}

/** The datasource and what the statements begin with: their texts may hold what is nobody's business, the values as well. */
function describe(argumentsJson: string): string {
  const call = triedSqlCall(argumentsJson);
  if (call === null) return 'sql (invalid)';
  const [first, ...others] = call.statements;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return `sql ${call.datasource}: ${firstWordOf(first?.sql ?? '')}${more}`;
}

function statementsOf(call: SqlCall): BatchStatement[] {
  const { page, statements } = call;
  return statements.map(({ sql, params }) =>
    page === null ? { text: sql, values: params.map(parameterText) } : pageStatement(sql, params, page),
  );
}

function resultJson(call: SqlCall, results: readonly StatementResult[]): string {
  const [first] = results;
  if (call.page !== null && first !== undefined) return pageResult(first, call.page);
  const jsons = results.map((result) => `{"rows":${result.rowsJson},"rowCount":${rowCountOf(result)}}`);
  return call.isList ? `{"results":[${jsons.join(',')}]}` : (jsons[0] ?? 'null');
}

/** Several statements see one state of the database. */
const beginReading = 'BEGIN READ ONLY';
const beginReadingTogether = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

function read({ config, pool }: Datasource, call: SqlCall, signal: AbortSignal): Promise<string> {
  const statements = statementsOf(call);
  const begin = { text: call.isList ? beginReadingTogether : beginReading };
  return onConnection(pool, call, signal, async (client, progress) => {
    progress.firstStatement = 1;
    const results = await runBatch(client, [begin, ...statements, { text: 'COMMIT' }], limitsOf(config, call));
    return resultJson(call, results.slice(1, -1));
  });
}

/** A call that is lost while it is being committed is made again: with a key that changes nothing, and tells what became of it. */
async function write(
  datasource: Datasource,
  call: SqlCall,
  key: EffectKey | null,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await writeOnce(datasource, call, key, signal);
  } catch (error) {
    const isUnknown = error instanceof EffectFailure && error.reason === 'outcome_unknown';
    if (!isUnknown || key === null) throw error;
    try {
      return await writeOnce(datasource, call, key, signal);
    } catch (again) {
      if (!(again instanceof EffectFailure) || !again.retryable) throw again;
      throw new EffectFailure('outcome_unknown', `${error.message}. A repeat of the call tells`, { retryable: true });
    }
  }
}

function writeOnce(
  { config, pool }: Datasource,
  call: SqlCall,
  key: EffectKey | null,
  signal: AbortSignal,
): Promise<string> {
  const statements = statementsOf(call);
  return onConnection(pool, call, signal, async (client, progress) => {
    if (key !== null) {
      const stored = await beginOnce(client, key);
      if (stored !== null) return stored;
    }
    const begun = key === null ? [{ text: 'BEGIN' }] : [];
    progress.firstStatement = begun.length;
    const results = await runBatch(client, [...begun, ...statements], limitsOf(config, call));
    const json = resultJson(call, results.slice(begun.length));
    if (signal.aborted) throw aborted();
    progress.moment = 'commit';
    const ended = await runBatch(client, key === null ? [{ text: 'COMMIT' }] : commitOnce(key, json));
    // A transaction that has failed is rolled back by COMMIT without an error.
    if (ended.at(-1)?.tag !== 'COMMIT') throw new EffectFailure('rolled_back', 'the transaction was rolled back');
    return json;
  });
}

function limitsOf({ rowsMax, bytesMax }: DatasourceConfig, { page }: SqlCall): { rowsMax: number; bytesMax: number } {
  // One row more than the page is asked for.
  return { rowsMax: page === null ? rowsMax : Math.max(rowsMax, page.size + 1), bytesMax };
}

/** Every failure leaves as an EffectFailure, and the connection in a state that is known, or closed. */
function onConnection(
  pool: DatasourcePool,
  call: SqlCall,
  signal: AbortSignal,
  work: (client: pg.Client, progress: Progress) => Promise<string>,
): Promise<string> {
  const leavesState = call.statements.some(({ sql }) => leavesSessionState(sql));
  return pool
    .use<string | EffectFailure>(signal, async (client) => {
      const progress: Progress = { moment: 'before', firstStatement: 0 };
      try {
        return { result: await work(client, progress), isClean: !leavesState };
      } catch (error) {
        if (signal.aborted) throw aborted();
        if (!isStatementRefusal(error) && !(error instanceof EffectFailure)) {
          throw connectionFailure(error, progress.moment);
        }
        const failure = error instanceof EffectFailure ? error : refusalOf(error, placeOf(error, call, progress));
        return { result: failure, isClean: (await rollBack(client)) && !leavesState };
      }
    })
    .then((result) => {
      if (result instanceof EffectFailure) throw result;
      return result;
    });
}

function placeOf(error: RefusedStatement, call: SqlCall, { moment, firstStatement }: Progress): RefusedPlace {
  return {
    statement: call.isList && moment === 'before' ? (error.place ?? firstStatement) - firstStatement + 1 : null,
    positionOffset: call.page === null ? 0 : pagePrefix.length,
  };
}

async function rollBack(client: pg.Client): Promise<boolean> {
  try {
    await runBatch(client, [{ text: 'ROLLBACK' }]);
    return true;
  } catch {
    return false;
  }
}

/** Beside the calls, now and then: nobody waits for it, and the next one does what this one could not. */
function cleanUp(datasource: Datasource): void {
  const nowMs = performance.now();
  if (nowMs - datasource.cleanedUpMs < cleanUpIntervalMs) return;
  datasource.cleanedUpMs = nowMs;
  datasource.pool
    .use(new AbortController().signal, async (client) => {
      await removeOldResults(client, datasource.config.effectsRetentionMs);
      return { result: null, isClean: true };
    })
    .catch(() => {});
}
