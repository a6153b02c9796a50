import { createHash } from 'node:crypto';
import type { JournalEffect } from './journal.ts';

/**
 * The key under which a target may recognise a repeated call: the same on every repeat, in every attempt, on every server.
 * A hash, so that a target learns nothing of the execution.
 */
export function idempotencyKeyOf(executionId: string, effect: JournalEffect): string {
  return createHash('sha256')
    .update(`${executionId}\n${effect.stepPath}\n${effect.seq}\n${effect.kind}\n`)
    .update(effect.argumentsJson ?? '')
    .digest('base64url')
    .slice(0, 32);
}
