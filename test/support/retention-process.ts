/** A process of its own that ends old executions and dies at a point: `node retention-process.ts DSN NOW_MS POINT`. */
import { subscribe } from 'node:diagnostics_channel';
import { openRetention, repeat } from './history.ts';
import { silentLog } from './postgres.ts';

const [dsn = '', nowText, point] = process.argv.slice(2);
subscribe('nflow:point', (message) => {
  if ((message as { name: string }).name === point) process.kill(process.pid, 'SIGKILL');
});
const nowMs = Number(nowText);
const { retention, pool } = openRetention(dsn, { log: silentLog });
await repeat(() => retention.retireExpired(nowMs));
await repeat(() => retention.dropRetired());
await repeat(() => retention.dropKept(nowMs));
await pool.close();
