import type { Socket } from 'node:net';
import type { Metrics } from '../observe/metrics.ts';
import { connectionOf } from './connection.ts';
import { endWithProblem } from './connection-error.ts';
import { refusal } from './problem.ts';

/** Connections above the limit that may be told so at one time; more are closed without a word (`maxConnections`). */
export const toldConnectionsMax = 64;

/**
 * Keeps the connections of clients below what the limit of open files allows: one too many is told 503 and closed, so that files,
 * runners and the database always get their descriptors.
 */
export class ConnectionLimit {
  readonly #max: number;
  readonly #metrics: Metrics;
  #open = 0;

  constructor(max: number, metrics: Metrics) {
    this.#max = max;
    this.#metrics = metrics;
  }

  get open(): number {
    return this.#open;
  }

  /** False: the connection is being closed. */
  admit(socket: Socket): boolean {
    if (this.#open >= this.#max) {
      socket.on('error', () => socket.destroy());
      // What it sends is not looked at: an answer to something that nobody looked at fits every request.
      const problem = refusal(
        'queue_full',
        'The server has as many connections as it can. Connect again after the time in Retry-After.',
      );
      endWithProblem(socket, connectionOf(socket), problem, this.#metrics);
      return false;
    }
    this.#open++;
    socket.once('close', this.#onClose);
    return true;
  }

  readonly #onClose = (): void => {
    this.#open--;
  };
}
