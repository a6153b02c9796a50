/** What the server knows of one TCP connection: which answers are under way on it, so that nothing is written between them. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const stateKey = Symbol('nflow connection');

export class Connection {
  /** Answers that are not finished; more than one when the client pipelines. */
  answersOpen = 0;
  /** The request that is arriving: its headers were read, its body not to the end as far as anybody was told. */
  collecting: IncomingMessage | null = null;
  /** Its last answer is written, or under way: it is about to close, and what else arrives on it is not looked at. */
  isRefused = false;

  /** True when bytes written to the socket now would be read as the answer to what is arriving. */
  get isFreeForError(): boolean {
    if (this.isRefused) return false;
    if (this.answersOpen === 0) return true;
    // One that is complete has an answer coming, even if nobody has been told yet that it is.
    return this.answersOpen === 1 && this.collecting !== null && !this.collecting.complete;
  }
}

interface KnownSocket extends Socket {
  [stateKey]?: Connection;
}

export function connectionOf(socket: Socket): Connection {
  const known = socket as KnownSocket;
  known[stateKey] ??= new Connection();
  return known[stateKey];
}
