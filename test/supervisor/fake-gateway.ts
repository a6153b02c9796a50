/**
 * A gateway that only keeps its side of the messages: listens on the inherited socket and answers its incarnation and what it
 * was told. `vars.act` of its order makes it misbehave.
 */
import { createServer } from 'node:http';
import type { FromGateway, ServeOrder, ToGateway } from '../../src/supervisor/messages.ts';

const incarnation = `incarnation-of-${process.pid}`;
const send = (message: FromGateway): void => void process.send?.(message);

let neverDrains = false;

function serve(order: ServeOrder): void {
  neverDrains = order.config.vars.act === 'never drain';
  if (order.config.vars.act === 'die') process.exit(1);
  if (order.config.vars.act === 'refuse') {
    send({ type: 'refused', refusal: { code: 'store_unavailable', message: 'no database', remedy: 'start one' } });
    process.disconnect?.();
    process.exitCode = 3;
    return;
  }
  const server = createServer((_request, response) => {
    response.setHeader('connection', 'close');
    response.end(JSON.stringify({ pid: process.pid, incarnation, dead: order.deadIncarnations }));
  });
  server.listen({ fd: order.listenFd }, () => {
    send({ type: 'incarnation', id: incarnation });
    if (order.config.vars.act !== 'never take over') send({ type: 'tookOver' });
    send({ type: 'ready', report: { published: 0, unchanged: 0, mistakeCount: 0, routes: [], mistakes: '' } });
  });
}

process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToGateway) => {
  if (message.type === 'serve') serve(message);
  else if (!neverDrains) process.exit(0);
});
