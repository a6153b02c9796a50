import { isRecord } from '../call-arguments.ts';
import { invalidCall } from '../effect-failure.ts';
import { type SqlPage, type SqlStatement, sqlLimits } from './arguments.ts';
import { allowedFirstWordsText, firstWordOf, isAllowed, looksReadOnly } from './statement-text.ts';

/** The arguments of a call, checked. */
export interface SqlCall {
  datasource: string;
  statements: readonly Required<SqlStatement>[];
  /** It was given as a list: its result is one. */
  isList: boolean;
  readOnly: boolean;
  exactlyOnce: boolean;
  page: SqlPage | null;
}

/** Arguments come out of a VM, so nothing of them is believed. @throws EffectFailure `invalid_request` */
export function readSqlCall(argumentsJson: string): SqlCall {
  const given: unknown = JSON.parse(argumentsJson);
  if (!isRecord(given)) throw invalidCall('arguments', typeof given, 'an object');
  const { datasource = 'main', sql, params, statements, page = null } = given;
  if (typeof datasource !== 'string') throw invalidCall('datasource', typeof datasource, 'a text');
  if ((sql === undefined) === (statements === undefined)) {
    throw invalidCall('sql', sql === undefined ? 'nothing' : '"sql" and "statements"', 'one of "sql" and "statements"');
  }
  const read = statements === undefined ? [readStatement({ sql, params }, '')] : readStatements(statements);
  const readOnly = optionalBoolean(given.readOnly, 'readOnly') ?? read.every((one) => looksReadOnly(one.sql));
  const exactlyOnce = optionalBoolean(given.exactlyOnce, 'exactlyOnce') ?? true;
  if (page !== null && (statements !== undefined || !readOnly)) {
    throw invalidCall('page', 'a page of what is no single query', '"page" beside one "sql" that only reads');
  }
  const isList = statements !== undefined;
  return { datasource, statements: read, isList, readOnly, exactlyOnce, page: page === null ? null : readPage(page) };
}

/** As `readSqlCall`; null for what it would refuse, which does nothing. */
export function triedSqlCall(argumentsJson: string): SqlCall | null {
  try {
    return readSqlCall(argumentsJson);
  } catch {
    return null;
  }
}

function readStatements(given: unknown): Required<SqlStatement>[] {
  const { statementsMax } = sqlLimits;
  if (!Array.isArray(given) || given.length === 0 || given.length > statementsMax) {
    const got = Array.isArray(given) ? `${given.length} statements` : typeof given;
    throw invalidCall('statements', got, `an array of 1 to ${statementsMax} statements { sql, params }`);
  }
  return given.map((one, index) => readStatement(isRecord(one) ? one : {}, `statements[${index}].`));
}

function readStatement({ sql, params = [] }: Record<string, unknown>, place: string): Required<SqlStatement> {
  const { textSizeMax, paramsMax } = sqlLimits;
  if (typeof sql !== 'string' || sql.trim() === '' || sql.length > textSizeMax || sql.includes('\0')) {
    const got = typeof sql === 'string' ? `a text of ${sql.length} characters` : typeof sql;
    throw invalidCall(`${place}sql`, got, `one statement of SQL, at most ${textSizeMax} characters`);
  }
  if (!isAllowed(sql)) {
    throw invalidCall(
      `${place}sql`,
      firstWordOf(sql) || 'no word',
      `a statement that begins with ${allowedFirstWordsText}`,
    );
  }
  if (!Array.isArray(params) || params.length > paramsMax) {
    throw invalidCall(`${place}params`, typeof params, `an array of at most ${paramsMax} values`);
  }
  return { sql, params };
}

function readPage(given: unknown): SqlPage {
  const { pageSizeMax, pageColumnsMax } = sqlLimits;
  if (!isRecord(given)) throw invalidCall('page', typeof given, 'an object { by, size, descending, after }');
  const { by, size, descending = false, after = null } = given;
  const isName = (name: unknown): name is string => typeof name === 'string' && name !== '' && !name.includes('\0');
  if (!Array.isArray(by) || by.length === 0 || by.length > pageColumnsMax || !by.every(isName)) {
    throw invalidCall('page.by', typeof by, `an array of 1 to ${pageColumnsMax} names of columns of the result`);
  }
  if (!Number.isInteger(size) || (size as number) < 1 || (size as number) > pageSizeMax) {
    throw invalidCall('page.size', JSON.stringify(size) ?? 'nothing', `a whole number from 1 to ${pageSizeMax}`);
  }
  if (after !== null && typeof after !== 'string') throw invalidCall('page.after', typeof after, 'a cursor, or null');
  return { by, size: size as number, descending: optionalBoolean(descending, 'page.descending') ?? false, after };
}

function optionalBoolean(value: unknown, name: string): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return value;
  throw invalidCall(name, typeof value, 'true or false');
}
