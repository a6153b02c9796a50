/**
 * What the text of a statement says of itself. Nothing here is relied on for safety of data: what reads runs in a READ ONLY transaction.
 * It keeps statements from ending the transaction that the call makes, and sessions from keeping what one call has set.
 */

/** A statement may begin with these. Others end transactions, change the session, or speak another protocol. */
const allowedFirstWords: ReadonlySet<string> = new Set([
  ...['SELECT', 'VALUES', 'TABLE', 'WITH', 'SHOW', 'EXPLAIN'],
  ...['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'TRUNCATE', 'LOCK', 'CALL'],
  ...['CREATE', 'ALTER', 'DROP', 'COMMENT', 'GRANT', 'REVOKE', 'REFRESH', 'ANALYZE', 'REINDEX', 'NOTIFY'],
]);
const readingFirstWords: ReadonlySet<string> = new Set(['SELECT', 'VALUES', 'TABLE', 'WITH', 'SHOW', 'EXPLAIN']);

const writingWords = /\b(insert|update|delete|merge|into|analyze)\b/i;
const lockingWords = /\bfor\s+(no\s+key\s+update|update|share|key\s+share)\b/i;

/** What stays in a session when its transaction has ended. */
const sessionWords = /set_config|advisory|\b(create|into)\s+((local|global|table)\s+)*temp|pg_temp|dblink/i;

export const allowedFirstWordsText =
  'SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES, CALL and statements that change the schema';

/** In capitals; '' when there is none. */
export function firstWordOf(sql: string): string {
  return /^[A-Za-z]+/.exec(sql.slice(endOfSpace(sql)).replace(/^\(+\s*/, ''))?.[0].toUpperCase() ?? '';
}

export function isAllowed(sql: string): boolean {
  return allowedFirstWords.has(firstWordOf(sql));
}

/** Whether it looks as if it only reads. A function that it calls may still write: the database refuses that then. */
export function looksReadOnly(sql: string): boolean {
  const firstWord = firstWordOf(sql);
  if (!readingFirstWords.has(firstWord)) return false;
  return !writingWords.test(sql) && !lockingWords.test(sql);
}

export function leavesSessionState(sql: string): boolean {
  return sessionWords.test(sql);
}

/** Offset of what follows white space and comments; PostgreSQL's block comments nest. */
function endOfSpace(sql: string): number {
  let at = 0;
  for (;;) {
    while (/[\s]/.test(sql[at] ?? '')) at++;
    if (sql.startsWith('--', at)) {
      const end = sql.indexOf('\n', at);
      if (end === -1) return sql.length;
      at = end + 1;
    } else if (sql.startsWith('/*', at)) {
      at = endOfComment(sql, at);
    } else return at;
  }
}

function endOfComment(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) [depth, at] = [depth + 1, at + 1];
    else if (sql.startsWith('*/', at)) {
      [depth, at] = [depth - 1, at + 1];
      if (depth === 0) return at + 1;
    }
  }
  return sql.length;
}
