/**
 * The server that waiting executions wait for: answers every request a fixed time after it came. Started with an IPC channel; the first
 * message says that time, and it sends back its port; each message after it is answered with the requests so far.
 */
import { createServer } from 'node:http';

export interface WaitingTargetReport {
  port: number;
  /** Requests that came, and those that wait now. */
  requests: number;
  waiting: number;
}

const answer = Buffer.from('{"waited":true}');
const headers = { 'content-type': 'application/json', 'content-length': answer.length };
/** A burst of ten thousand connections. */
const backlog = 16_384;

process.once('message', ({ delayMs }: { delayMs: number }) => {
  let requests = 0;
  let waiting = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
    requests++;
    waiting++;
    response.once('close', () => waiting--);
    setTimeout(() => response.writeHead(200, headers).end(answer), delayMs);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog }, () => {
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const report = (): boolean | undefined => process.send?.({ port, requests, waiting } satisfies WaitingTargetReport);
    process.on('message', report);
    report();
  });
});
process.once('disconnect', () => process.exit(0));
