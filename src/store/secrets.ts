/** Secrets, as they were encrypted elsewhere: the database never sees a value, nor does this code. */
import type { NewSecretRow, SealedSecret, SecretRow, SecretStore } from './port.ts';
import type { QueryPool } from './query-pool.ts';

interface Row {
  name: string;
  key_id: string;
  nonce: Buffer;
  sealed: Buffer;
  hosts: string[];
  effects: string[];
  workflows: string[];
  created_at: Date;
  updated_at: Date;
}

const columns = 'name, key_id, nonce, sealed, hosts, effects, workflows, created_at, updated_at';

export class PostgresSecretStore implements SecretStore {
  readonly #pool: QueryPool;

  constructor(pool: QueryPool) {
    this.#pool = pool;
  }

  async revision(): Promise<string> {
    const [row] = await this.#pool.query<{ revision: string }>(
      "SELECT count(*) || ' ' || coalesce(max(revision), 0) AS revision FROM nflow.secrets",
    );
    return row?.revision ?? '';
  }

  async list(): Promise<SecretRow[]> {
    return (await this.#pool.query<Row>(`SELECT ${columns} FROM nflow.secrets ORDER BY name`)).map(rowOf);
  }

  async put({ name, keyId, nonce, sealed, hosts, effects, workflows }: NewSecretRow): Promise<void> {
    await this.#pool.query(
      `INSERT INTO nflow.secrets (name, key_id, nonce, sealed, hosts, effects, workflows) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (name) DO UPDATE SET key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed,
         hosts = excluded.hosts, effects = excluded.effects, workflows = excluded.workflows,
         updated_at = clock_timestamp(), revision = nextval('nflow.secret_revisions')`,
      [name, keyId, nonce, sealed, hosts, effects, workflows],
    );
  }

  async delete(name: string): Promise<boolean> {
    const deleted = await this.#pool.query('DELETE FROM nflow.secrets WHERE name = $1 RETURNING name', [name]);
    return deleted.length === 1;
  }

  async replaceAll(encryptAgain: (row: SecretRow) => SealedSecret | null): Promise<number> {
    return this.#pool.transaction(async (client) => {
      // Writers wait: what one of them encrypted with the old key would be left out.
      await client.query('LOCK TABLE nflow.secrets IN EXCLUSIVE MODE');
      const { rows } = await client.query<Row>(`SELECT ${columns} FROM nflow.secrets ORDER BY name`);
      for (const row of rows) {
        const again = encryptAgain(rowOf(row));
        if (again === null) throw new Error(`the secret ${row.name} was written with a key that is not here`);
        await client.query(
          `UPDATE nflow.secrets SET key_id = $2, nonce = $3, sealed = $4, revision = nextval('nflow.secret_revisions') WHERE name = $1`,
          [row.name, again.keyId, again.nonce, again.sealed],
        );
      }
      return rows.length;
    });
  }
}

function rowOf(row: Row): SecretRow {
  const { name, key_id, nonce, sealed, hosts, effects, workflows, created_at, updated_at } = row;
  return {
    name,
    keyId: key_id,
    nonce,
    sealed,
    hosts,
    effects,
    workflows,
    createdAt: created_at,
    updatedAt: updated_at,
  };
}
