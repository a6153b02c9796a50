/**
 * The floor of the sql effect: one process of fastify with pg's pool that answers a row by its key. Started with an IPC channel; the first
 * message says where the database is and how many connections to open, and it sends back its port.
 */
import fastify from 'fastify';
import pg from 'pg';

export interface BareSqlOrder {
  dsn: string;
  poolMaxConns: number;
  sql: string;
}

process.once('message', async ({ dsn, poolMaxConns, sql }: BareSqlOrder) => {
  const pool = new pg.Pool({ connectionString: dsn, max: poolMaxConns });
  const server = fastify();
  server.get<{ Params: { id: string } }>('/:id', async ({ params }) => {
    const { rows } = await pool.query(sql, [params.id]);
    return rows[0];
  });
  const address = await server.listen({ port: 0, host: '127.0.0.1' });
  process.send?.({ port: Number(new URL(address).port) });
});
process.once('disconnect', () => process.exit(0));
