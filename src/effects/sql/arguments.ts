import type { EffectTraits } from '../../protocol/effect-traits.ts';

export const sqlTraits: EffectTraits = {
  kind: 'sql',
  resource: { kind: 'datasources', argument: 'datasource', nameDefault: 'main' },
  isCacheable: true,
  isConfined: false,
};

export const sqlLimits = {
  /** Of one call. */
  statementsMax: 100,
  /** Of one statement; what PostgreSQL's protocol can count. */
  paramsMax: 65_535,
  /** UTF-16 units of one statement. */
  textSizeMax: 1024 * 1024,
  pageSizeMax: 10_000,
  /** Columns by which pages are ordered. */
  pageColumnsMax: 8,
} as const;

export interface SqlStatement {
  sql: string;
  /** Values of `$1`, `$2`, …: texts, numbers, booleans, null; an array is one of PostgreSQL's, an object JSON. */
  params?: unknown[];
}

/** One page of a query, in the order of columns that together are unique and never null. */
export interface SqlPage {
  by: string[];
  size: number;
  descending?: boolean;
  /** `nextCursor` of the page before; null or left out for the first one. */
  after?: string | null;
}

/** The arguments of the effect `sql`, as code and nodes send them. `sql` with `params`, or `statements`: one transaction. */
export interface SqlArguments {
  datasource?: string;
  sql?: string;
  params?: unknown[];
  statements?: SqlStatement[];
  /** Default: whether the statements look as if they only read. The database enforces it. */
  readOnly?: boolean;
  /** Default true: a call that is repeated changes nothing a second time. */
  exactlyOnce?: boolean;
  page?: SqlPage;
}

/** Of one statement. `rowCount` counts what was changed, too. */
export interface SqlResult {
  rows: Record<string, unknown>[];
  rowCount: number;
}
