import { channel } from 'node:diagnostics_channel';

/** The moments at which a crash matters, by name. */
export type PointName = 'before-effect' | 'after-effect' | 'before-commit' | 'after-commit' | 'before-answer';

const points = channel('nflow:point');

/**
 * Announces that execution reached a named moment, on the diagnostics channel `nflow:point`. Costs a property read when nobody
 * listens; fault tests listen and kill the process there.
 */
export function reachPoint(name: PointName, executionId: string): void {
  if (points.hasSubscribers) points.publish({ name, executionId });
}
