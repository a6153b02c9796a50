import type pg from 'pg';
import { destroy } from '../../store/connect.ts';
import { EffectFailure } from '../effect-failure.ts';
import { type WriteJson, writerOf } from './values.ts';

export interface BatchStatement {
  text: string;
  values?: readonly (string | null)[];
}

/** Of one statement. */
export interface StatementResult {
  /** A JSON array of objects. */
  rowsJson: string;
  rows: number;
  /** What PostgreSQL says that it did, such as `INSERT 0 1`. */
  tag: string;
}

export interface BatchLimits {
  rowsMax: number;
  /** JSON text of all results together. */
  bytesMax: number;
}

/** What of the driver's connection a query of its own uses; the published types know an older one. */
interface Wire {
  stream: { cork(): void; uncork(): void };
  parse(message: { text: string; name: string }): void;
  bind(message: { portal: string; statement: string; values: readonly (string | null)[] }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  sync(): void;
}

interface RowDescription {
  fields: readonly { name: string; dataTypeID: number }[];
}

const noLimits: BatchLimits = { rowsMax: 0, bytesMax: Number.MAX_SAFE_INTEGER };

/**
 * Sends statements together, and reads their results in one round trip. PostgreSQL skips what follows the first one that it refuses.
 * The rows are written as JSON text while they come; past the limit of bytes the connection is ended, since nothing else stops a
 * server that has begun to send. A statement with more rows than allowed is only cut off: what it did is undone by who began the
 * transaction.
 * @throws what PostgreSQL refuses as the driver's error, with its `place` among the statements; EffectFailure `too_many_rows`, `too_large` or `invalid_request`.
 */
export function runBatch(
  client: pg.Client,
  statements: readonly BatchStatement[],
  limits: BatchLimits = noLimits,
): Promise<StatementResult[]> {
  return new Promise((resolve, reject) => {
    const batch = new Batch(client, statements, limits, (error, results) => {
      if (error === null) resolve(results);
      else reject(error);
    });
    client.query(batch as unknown as pg.Submittable);
  });
}

/** A query as the driver knows them: it calls `submit`, and then a method for each message that comes. */
class Batch {
  readonly #client: pg.Client;
  readonly #statements: readonly BatchStatement[];
  readonly #limits: BatchLimits;
  readonly #finish: (error: unknown, results: StatementResult[]) => void;
  readonly #results: StatementResult[] = [];
  #failure: EffectFailure | null = null;
  #bytes = 0;
  #rows: string[] = [];
  #keys: string[] = [];
  #writers: WriteJson[] = [];

  constructor(
    client: pg.Client,
    statements: readonly BatchStatement[],
    limits: BatchLimits,
    finish: (error: unknown, results: StatementResult[]) => void,
  ) {
    this.#client = client;
    this.#statements = statements;
    this.#limits = limits;
    this.#finish = finish;
  }

  submit(connection: unknown): void {
    const wire = connection as Wire;
    const rows = this.#limits.rowsMax === 0 ? 0 : this.#limits.rowsMax + 1;
    wire.stream.cork();
    for (const { text, values = [] } of this.#statements) {
      wire.parse({ text, name: '' });
      wire.bind({ portal: '', statement: '', values });
      wire.describe({ type: 'P', name: '' });
      wire.execute({ portal: '', rows });
    }
    wire.sync();
    wire.stream.uncork();
  }

  handleRowDescription({ fields }: RowDescription): void {
    const names = new Set<string>();
    for (const { name } of fields) {
      if (names.has(name)) {
        this.#failure ??= new EffectFailure(
          'invalid_request',
          `two columns of the result are named ${JSON.stringify(name)}: give each a name of its own with AS`,
        );
      }
      names.add(name);
    }
    this.#keys = fields.map(({ name }, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`);
    this.#writers = fields.map(({ dataTypeID }) => writerOf(dataTypeID));
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    if (this.#failure !== null) return;
    let json = fields.length === 0 ? '{' : '';
    for (const [index, text] of fields.entries()) {
      json += this.#keys[index];
      json += text === null ? 'null' : (this.#writers[index] as WriteJson)(text);
    }
    json += '}';
    this.#bytes += Buffer.byteLength(json) + 1;
    if (this.#bytes > this.#limits.bytesMax) {
      const allowed = `allowed are ${this.#limits.bytesMax} bytes ("max_bytes" of the datasource)`;
      this.#failure = new EffectFailure('too_large', `the result is too large; ${allowed}. Read it in pages`);
      destroy(this.#client);
      return;
    }
    this.#rows.push(json);
  }

  handlePortalSuspended(): void {
    const allowed = `allowed are ${this.#limits.rowsMax} ("max_rows" of the datasource)`;
    this.#failure ??= new EffectFailure('too_many_rows', `the result has more rows; ${allowed}. Read it in pages`);
    this.#endStatement('');
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#endStatement(text);
  }

  handleEmptyQuery(): void {
    this.#endStatement('');
  }

  handleError(error: object): void {
    Object.assign(error, { place: this.#results.length });
    this.#finish(this.#failure ?? error, []);
  }

  handleReadyForQuery(): void {
    this.#finish(this.#failure, this.#results);
  }

  #endStatement(tag: string): void {
    this.#results.push({ rowsJson: `[${this.#rows.join(',')}]`, rows: this.#rows.length, tag });
    this.#rows = [];
  }
}

/** Rows that a statement returned or changed: the last number of what PostgreSQL says that it did. */
export function rowCountOf({ tag, rows }: StatementResult): number {
  const counted = /(\d+)$/.exec(tag)?.[1];
  return counted === undefined ? rows : Number(counted);
}
