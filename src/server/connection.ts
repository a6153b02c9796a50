/** What the server knows of one TCP connection: which answers are under way on it, so that nothing is written between them. */
import type { Socket } from 'node:net';

const stateKey = Symbol('nflow connection');

export class Connection {
  /** Answers that are not finished; more than one when the client pipelines. */
  answersOpen = 0;
  /** A request is arriving: its headers were read, its body not to the end. */
  isCollecting = false;
  /** An error was written to it outside of any answer: it is about to close. */
  isRefused = false;

  /** True when bytes written to the socket now would be read as the answer to what is arriving. */
  get isFreeForError(): boolean {
    return !this.isRefused && (this.answersOpen === 0 || (this.answersOpen === 1 && this.isCollecting));
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
