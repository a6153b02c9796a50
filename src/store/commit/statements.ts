/**
 * The prepared statements of a commit connection, each beside the code that binds it.
 *
 * `unnest` stands in the select list, not in FROM: there PostgreSQL would first put each array into a store of its own, which
 * costs about 6 us a row of 18 columns. Measured beside it: COPY is no faster, and cannot say ON CONFLICT.
 */
import { durabilityCodes, firstEnded, statusCodes, triggerCodes } from '../codes.ts';
import type { EndedExecution, ExecutionEnd, JournalRecord, StartedExecution } from '../port.ts';
import { allSuffixes } from '../trees.ts';
import type { ElementType, MessageWriter } from './message-writer.ts';

type Column<Row> = readonly [name: string, type: ElementType, write: (writer: MessageWriter, row: Row) => void];

interface EndedRow {
  execution: EndedExecution;
  batchWaitUs: number;
}

interface FinishedRow {
  executionId: string;
  end: ExecutionEnd;
  endedAtMs: number;
  batchWaitUs: number;
}

export interface JournalRow {
  executionId: string;
  record: JournalRecord;
}

const identityColumns: Column<EndedExecution | StartedExecution>[] = [
  ['id', 'uuid', (writer, { id }) => writer.uuid(id)],
  ['version_id', 'int4', (writer, { versionId }) => writer.int4(versionId)],
  ['durability', 'int2', (writer, { durability }) => writer.int2(durabilityCodes[durability])],
  ['trigger', 'int2', (writer, { trigger }) => writer.int2(triggerCodes[trigger])],
  [
    'input',
    'bytea',
    (writer, { inputHead, inputBody }) => {
      if (inputBody === null) writer.data(inputHead);
      else writer.objectWithBody(inputHead, inputBody);
    },
  ],
];

const endColumns: Column<ExecutionEnd>[] = [
  ['status', 'int2', (writer, { status }) => writer.int2(statusCodes[status])],
  ['http_status', 'int2', (writer, { httpStatus }) => writer.int2(httpStatus)],
  ['queue_us', 'int4', (writer, { timing }) => writer.int4(timing.queueUs)],
  ['acquire_us', 'int4', (writer, { timing }) => writer.int4(timing.acquireUs)],
  ['run_us', 'int8', (writer, { timing }) => writer.int8(timing.runUs)],
  ['effects_us', 'int8', (writer, { timing }) => writer.int8(timing.effectsUs)],
  ['total_us', 'int8', (writer, { timing }) => writer.int8(timing.totalUs)],
  ['output', 'bytea', (writer, { output }) => writeOptional(writer, output)],
  ['error', 'bytea', (writer, { error }) => writeOptional(writer, error)],
  ['trace', 'bytea', (writer, { trace }) => writeOptional(writer, trace)],
  ['effects', 'bytea', (writer, { effects }) => writeOptional(writer, effects)],
  ['logs', 'bytea', (writer, { logs }) => writeOptional(writer, logs)],
];

const endedColumns: Column<EndedRow>[] = [
  ...identityColumns.map(of((row: EndedRow) => row.execution)),
  ...endColumns.map(of((row: EndedRow) => row.execution)),
  ['batch_wait_us', 'int4', (writer, { batchWaitUs }) => writer.int4(batchWaitUs)],
];

const startedColumns: Column<StartedExecution>[] = [
  ...identityColumns,
  ['started_at_ms', 'float8', (writer, { startedAtMs }) => writer.float8(startedAtMs)],
  ['deadline_at_ms', 'float8', (writer, { deadlineAtMs }) => writer.float8(deadlineAtMs)],
  ['seed', 'text', (writer, { seed }) => writer.text(seed)],
];

const journalColumns: Column<JournalRow>[] = [
  ['execution_id', 'uuid', (writer, { executionId }) => writer.uuid(executionId)],
  ['step_path', 'text', (writer, { record }) => writer.text(record.stepPath)],
  ['attempt', 'int4', (writer, { record }) => writer.int4(record.attempt)],
  ['seq', 'int4', (writer, { record }) => writer.int4(record.seq)],
  ['kind', 'text', (writer, { record }) => writer.text(record.kind)],
  ['arguments_hash', 'bytea', (writer, { record }) => writeOptional(writer, record.argumentsHash)],
  ['ok', 'bool', (writer, { record }) => writer.bool(record.ok)],
  ['json', 'bytea', (writer, { record }) => writer.data(record.json)],
  ['segment', 'int4', (writer, { record }) => writer.int4(record.segment)],
  ['segment_time_ms', 'float8', (writer, { record }) => writer.float8(record.segmentTimeMs)],
  ['write_order', 'int4', (writer, { record }) => writer.int4(record.order)],
];

const finishedColumns: Column<FinishedRow>[] = [
  ['id', 'uuid', (writer, { executionId }) => writer.uuid(executionId)],
  ...endColumns.map(of((row: FinishedRow) => row.end)),
  ['batch_wait_us', 'int4', (writer, { batchWaitUs }) => writer.int4(batchWaitUs)],
  ['ended_at_ms', 'float8', (writer, { endedAtMs }) => writer.float8(endedAtMs)],
];

/**
 * `SQL PREPARE` and the protocol's Bind share their names: no statement is parsed or planned again. Each tree has its own, so that
 * the class of an execution costs the choice of a name. The kept tables have them too: an execution may outlive its partition.
 */
export const prepareStatements: string[] = [
  'PREPARE check_live(uuid) AS SELECT nflow.assert_live($1)',
  ...allSuffixes.flatMap((suffix) => [
    `PREPARE insert_ended${suffix}(${arrayTypes(endedColumns)}) AS
      INSERT INTO nflow.executions${suffix} (${names(endedColumns)}) SELECT ${unnests(endedColumns)} ON CONFLICT (id) DO NOTHING`,
    `PREPARE insert_started${suffix}(${arrayTypes(startedColumns)}, uuid) AS
      INSERT INTO nflow.executions${suffix} (${names(startedColumns)}, status, takeovers, takeover_order, owner)
      SELECT ${unnests(startedColumns)}, ${statusCodes.running}, 0, 0, $${startedColumns.length + 1} ON CONFLICT (id) DO NOTHING`,
    // A record is written once, but for one that no segment had consumed when it was written: a result may be consumed after a resume,
    // and what was about to leave gets its result.
    `PREPARE insert_journal${suffix}(${arrayTypes(journalColumns)}) AS
      INSERT INTO nflow.journal${suffix} AS journal (${names(journalColumns)}) SELECT ${unnests(journalColumns)}
      ON CONFLICT (execution_id, step_path, attempt, seq) DO UPDATE SET
        ok = EXCLUDED.ok, json = EXCLUDED.json,
        segment = EXCLUDED.segment, segment_time_ms = EXCLUDED.segment_time_ms, write_order = EXCLUDED.write_order
      WHERE journal.segment < 0`,
    // Only what is not over: an end is written once. A repeat after an unknown outcome finds nothing to do.
    `PREPARE finish${suffix}(${arrayTypes(finishedColumns)}, uuid) AS
      UPDATE nflow.executions${suffix} e SET ${finishedColumns
        .slice(1)
        .map(([name]) => `${name} = ended.${name}`)
        .join(', ')}
      FROM (SELECT ${finishedColumns.map(([name, type], index) => `unnest($${index + 1}::${type}[]) AS ${name}`).join(', ')}) ended
      WHERE e.id = ended.id AND e.owner = $${finishedColumns.length + 1} AND e.status < ${firstEnded}`,
    // Those that are neither ended now nor were before: never started, no longer ours, or kept elsewhere.
    `PREPARE find_unfinished${suffix}(uuid[], uuid) AS
      SELECT asked.id FROM (SELECT unnest($1) AS id) asked WHERE NOT EXISTS (
        SELECT FROM nflow.executions${suffix} e WHERE e.id = asked.id AND e.owner = $2 AND e.status >= ${firstEnded})`,
  ]),
];

/**
 * One plan for all sizes of arrays, and it must be the one by index: partitions begin empty, and a plan made then would read
 * them whole for ever.
 */
export const planSettings: string[] = [
  'SET plan_cache_mode = force_generic_plan',
  'SET enable_seqscan = off',
  'SET enable_hashjoin = off',
  'SET enable_mergejoin = off',
  'SET jit = off',
];

export function bindCheckLive(writer: MessageWriter, incarnation: string): void {
  writer.beginBind('check_live', 1);
  writer.uuid(incarnation);
  writer.endBindAndExecute();
}

/** `suffix`, here and below: of the tables (see `trees.ts`). */
export function bindEnded(writer: MessageWriter, suffix: string, rows: EndedRow[]): void {
  writer.beginBind(`insert_ended${suffix}`, endedColumns.length);
  writeColumns(writer, endedColumns, rows);
  writer.endBindAndExecute();
}

export function bindStarted(
  writer: MessageWriter,
  suffix: string,
  rows: StartedExecution[],
  incarnation: string,
): void {
  writer.beginBind(`insert_started${suffix}`, startedColumns.length + 1);
  writeColumns(writer, startedColumns, rows);
  writer.uuid(incarnation);
  writer.endBindAndExecute();
}

export function bindJournal(writer: MessageWriter, suffix: string, rows: JournalRow[]): void {
  writer.beginBind(`insert_journal${suffix}`, journalColumns.length);
  writeColumns(writer, journalColumns, rows);
  writer.endBindAndExecute();
}

/** Binds the update, and the question for those that it could not end: their ids are the answer's rows. */
export function bindFinished(writer: MessageWriter, suffix: string, rows: FinishedRow[], incarnation: string): void {
  writer.beginBind(`finish${suffix}`, finishedColumns.length + 1);
  writeColumns(writer, finishedColumns, rows);
  writer.uuid(incarnation);
  writer.endBindAndExecute();
  writer.beginBind(`find_unfinished${suffix}`, 2);
  writer.beginArray('uuid', rows.length);
  for (const { executionId } of rows) writer.uuid(executionId);
  writer.endArray();
  writer.uuid(incarnation);
  writer.endBindAndExecute();
}

function writeColumns<Row>(writer: MessageWriter, columns: Column<Row>[], rows: Row[]): void {
  for (const [, type, write] of columns) {
    writer.beginArray(type, rows.length);
    for (const row of rows) write(writer, row);
    writer.endArray();
  }
}

function writeOptional(writer: MessageWriter, value: string | Uint8Array | null): void {
  if (value === null) writer.null();
  else writer.data(value);
}

function of<Row, Part>(part: (row: Row) => Part): (column: Column<Part>) => Column<Row> {
  return ([name, type, write]) => [name, type, (writer, row) => write(writer, part(row))];
}

function names<Row>(columns: Column<Row>[]): string {
  return columns.map(([name]) => name).join(', ');
}

function arrayTypes<Row>(columns: Column<Row>[]): string {
  return columns.map(([, type]) => `${type}[]`).join(', ');
}

function unnests<Row>(columns: Column<Row>[]): string {
  return columns.map((_, index) => `unnest($${index + 1})`).join(', ');
}
