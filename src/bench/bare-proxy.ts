/**
 * The floor of an effect: one process of `node:http` that sends what it is sent on to a target, with undici, and answers what that
 * answers. Started with an IPC channel; the first message is the target's port, and it sends back its own.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { Pool } from 'undici';

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

process.once('message', ({ targetPort }: { targetPort: number }) => {
  const target = new Pool(`http://127.0.0.1:${targetPort}`);
  const headers = { 'content-type': 'application/json' };
  const forward = async (request: IncomingMessage): Promise<Buffer> => {
    const body = await bytesOf(request);
    const answer = await target.request({ method: 'POST', path: '/', headers, body });
    return bytesOf(answer.body);
  };
  const server = createServer((request, response) => {
    forward(request).then(
      (body) => {
        response.writeHead(200, { ...headers, 'content-length': body.length });
        response.end(body);
      },
      () => {
        response.writeHead(502);
        response.end();
      },
    );
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  });
});
process.once('disconnect', () => process.exit(0));
