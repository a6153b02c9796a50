/**
 * The floor: one process of `node:http` that reads the body and answers a constant of the same size. Started with an IPC channel;
 * the first message is what to answer, and it sends back its port.
 */
import { createServer } from 'node:http';

process.once('message', ({ answer }: { answer: string }) => {
  const body = Buffer.from(answer);
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const server = createServer((request, response) => {
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    request.on('end', () => {
      response.writeHead(size < 0 ? 500 : 200, headers);
      response.end(body);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  });
});
process.once('disconnect', () => process.exit(0));
