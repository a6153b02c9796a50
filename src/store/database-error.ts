/** What PostgreSQL says when it refuses something; other errors of the driver are the connection's. */
export interface DatabaseError extends Error {
  /** SQLSTATE. */
  readonly code: string;
  /** ERROR ends the transaction, FATAL the session, PANIC the server. The word may be translated. */
  readonly severity: string;
}

export function isDatabaseError(error: unknown): error is DatabaseError {
  return (
    error instanceof Error &&
    typeof (error as Partial<DatabaseError>).code === 'string' &&
    typeof (error as Partial<DatabaseError>).severity === 'string'
  );
}

/** Classes that say nothing about the statement: connection, resources, operator, system. Later it may succeed. */
export function isTransientState(sqlState: string): boolean {
  return /^(08|40|53|57|58)/.test(sqlState);
}
