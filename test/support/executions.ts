/** Executions for tests of the store. Every value that a test does not name is a plausible one. */
import { randomBytes } from 'node:crypto';
import type { EndedExecution, ExecutionEnd, JournalRecord, StartedExecution } from '../../src/store/port.ts';

let counter = 0;

/** A UUIDv7; later calls give greater ones. */
export function makeUuid(timeMs: number = Date.now()): string {
  const time = timeMs.toString(16).padStart(12, '0');
  const order = (counter++ & 0xfff).toString(16).padStart(3, '0');
  const random = randomBytes(8).toString('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${order}-8${random.slice(0, 3)}-${random.slice(3, 15)}`;
}

export function makeEnd(changes: Partial<ExecutionEnd> = {}): ExecutionEnd {
  return {
    status: 'succeeded',
    httpStatus: 200,
    output: '{"ok":true}',
    error: null,
    trace: '[["price",1,1,12,34]]',
    effects: null,
    logs: null,
    timing: { queueUs: 11, acquireUs: 22, runUs: 33, effectsUs: 44, totalUs: 5_000_000_000 },
    ...changes,
  };
}

export function makeEnded(versionId: number, changes: Partial<EndedExecution> = {}): EndedExecution {
  return {
    id: makeUuid(),
    versionId,
    durability: 'durable',
    trigger: 'http',
    inputHead: '{"method":"POST"}',
    inputBody: '{"items":[]}',
    ...makeEnd(),
    ...changes,
  };
}

export function makeStarted(versionId: number, changes: Partial<StartedExecution> = {}): StartedExecution {
  return {
    id: makeUuid(),
    versionId,
    durability: 'durable',
    trigger: 'http',
    inputHead: '{"method":"POST"}',
    inputBody: null,
    seed: '00112233445566778899aabbccddeeff',
    startedAtMs: 1_795_000_000_000.125,
    deadlineAtMs: 1_795_000_030_000,
    ...changes,
  };
}

/** The record with that order; its other numbers follow from it. */
export function makeRecord(order: number, changes: Partial<JournalRecord> = {}): JournalRecord {
  return {
    stepPath: 'price',
    attempt: 1,
    seq: order,
    kind: 'http',
    argumentsHash: new Uint8Array(32).fill(order),
    ok: true,
    json: `{"order":${order}}`,
    segment: order,
    segmentTimeMs: 1_795_000_000_000.5 + order,
    order,
    ...changes,
  };
}
