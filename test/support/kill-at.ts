/**
 * Loaded into a gateway before its own code (`NODE_OPTIONS=--import=…`): ends the process with SIGKILL at a named point, when the
 * test has asked for it. See `KillSwitch`, the other end.
 *
 * The order is a file, `kill-at.json`. Arrivals at its point are counted from the first one that finds it; the one that is due
 * takes the file away and dies. So an order kills one process, and the next life goes on unharmed.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { PointName } from '../../src/engine/points.ts';

export interface KillOrder {
  point: PointName;
  /** Which arrival is the last one, from 1. */
  arrival: number;
}

export const orderFile = 'kill-at.json';
export const doneFile = 'killed-at.json';

/** Names the folder of the order. */
export const folderVariable = 'NFLOW_TEST_KILL_FOLDER';

/** The launcher and the supervisor get the same environment, and must live. */
const isGateway = /[/\\]cli[/\\]gateway-entry\.[jt]s$/.test(process.argv[1] ?? '');

function watchPoints(folder: string): void {
  let arrivals = 0;
  subscribe('nflow:point', (message) => {
    const order = readOrder(join(folder, orderFile));
    if (order === null) {
      arrivals = 0;
      return;
    }
    if ((message as { name: PointName }).name !== order.point || ++arrivals < order.arrival) return;
    renameSync(join(folder, orderFile), join(folder, doneFile));
    process.kill(process.pid, 'SIGKILL');
  });
}

function readOrder(file: string): KillOrder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as KillOrder;
  } catch {
    return null;
  }
}

const folder = process.env[folderVariable];
if (folder !== undefined && isGateway) watchPoints(folder);
