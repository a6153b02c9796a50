import type { EffectHost, EffectPart, EffectStep } from '../../guest/effect-host.ts';
import type { SqlStatement } from './arguments.ts';

/** `ctx.sql(NAME)`. Evaluated inside the isolate, see `guest/effect-host.ts`. */
export function createSqlPart(host: EffectHost): EffectPart {
  const timeoutMsDefault = 30_000;
  const pageSizeDefault = 1000;

  interface SqlOptions {
    readOnly?: boolean;
    exactlyOnce?: boolean;
  }
  interface PageOptions {
    by: string[];
    size?: number;
    descending?: boolean;
    after?: string | null;
  }
  interface Page {
    rows: unknown[];
    rowCount: number;
    nextCursor: string | null;
  }

  /** Issues the call; `undefined` in it is left out, so that its text is canonical. */
  const call = (step: EffectStep, given: object, options: object | undefined): Promise<unknown> => {
    try {
      return step.issue('sql', host.toJson(given, 'sql'), host.optionsOf(options, timeoutMsDefault));
    } catch (error) {
      return Promise.reject(error);
    }
  };

  /** One effect a page. It ends where a page has no cursor; `return` needs to close nothing. */
  class SqlPages {
    readonly #next: (after: string | null) => Promise<Page>;
    #after: string | null;
    #isOver = false;
    constructor(next: (after: string | null) => Promise<Page>, after: string | null) {
      this.#next = next;
      this.#after = after;
    }
    async next(): Promise<{ value: Page | undefined; done: boolean }> {
      if (this.#isOver) return { value: undefined, done: true };
      const page = await this.#next(this.#after);
      this.#after = page.nextCursor;
      this.#isOver = page.nextCursor === null;
      return { value: page, done: false };
    }
    async return(): Promise<{ value: undefined; done: boolean }> {
      this.#isOver = true;
      return { value: undefined, done: true };
    }
    [Symbol.asyncIterator](): SqlPages {
      return this;
    }
  }
  host.close(SqlPages);

  class GuestSql {
    readonly #step: EffectStep;
    readonly #datasource: string;
    constructor(step: EffectStep, datasource: string) {
      this.#step = step;
      this.#datasource = datasource;
    }
    query(sql: string, params?: unknown[], options: SqlOptions = {}): Promise<unknown> {
      const { readOnly, exactlyOnce } = options;
      return call(this.#step, { datasource: this.#datasource, sql, params, readOnly, exactlyOnce }, options);
    }
    transaction(statements: SqlStatement[], options: SqlOptions = {}): Promise<unknown> {
      const { readOnly, exactlyOnce } = options;
      return call(this.#step, { datasource: this.#datasource, statements, readOnly, exactlyOnce }, options);
    }
    pages(sql: string, params: unknown[] | undefined, options: PageOptions): SqlPages {
      const { by, size = pageSizeDefault, descending, after: first = null } = options ?? {};
      const next = (after: string | null): Promise<Page> => {
        const page = { by, size, descending, after };
        const given = { datasource: this.#datasource, sql, params, readOnly: true, page };
        return call(this.#step, given, options) as Promise<Page>;
      };
      return new SqlPages(next, first);
    }
  }
  host.close(GuestSql);

  return {
    member: (step) => {
      return (datasource: unknown = 'main') => {
        if (typeof datasource === 'string') return new GuestSql(step, datasource);
        throw host.error(`ctx.sql takes the name of a datasource; got ${host.textOf(datasource)}`);
      };
    },
  };
}
