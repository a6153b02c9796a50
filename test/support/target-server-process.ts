/** The process behind `startTargetServer`: `node target-server-process.ts LOG_FILE`. It ends when its parent does. */
import { openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TargetEntry } from './target-server.ts';

const logFile = process.argv[2];
if (logFile === undefined || process.send === undefined) throw new Error('to be started by startTargetServer');
const log = openSync(logFile, 'a');
let count = 0;
/** Null once they were released. */
let held: (() => void)[] | null = [];

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const path = request.url ?? '';
    const key = request.headers['idempotency-key'];
    const entry: TargetEntry = {
      method: request.method ?? '',
      path,
      idempotencyKey: typeof key === 'string' ? key : null,
      body: Buffer.concat(chunks).toString('utf8'),
      timeMs: Date.now(),
    };
    writeSync(log, `${JSON.stringify(entry)}\n`);
    const n = ++count;
    const { pathname, searchParams } = new URL(path, 'http://target');
    const answer = () => {
      response.writeHead(Number(searchParams.get('status') ?? 200), { 'content-type': 'application/json' });
      response.end(JSON.stringify({ n, path: pathname }));
    };
    const delayMs = Number(searchParams.get('delayMs') ?? 0);
    if (searchParams.has('hold') && held !== null) held.push(answer);
    else if (delayMs > 0) setTimeout(answer, delayMs);
    else answer();
  });
});

// Kill tests keep connections open for as long as they like.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('message', () => {
  for (const answer of held ?? []) answer();
  held = null;
});
process.on('disconnect', () => process.exit(0));
