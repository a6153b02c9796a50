import { createHash } from 'node:crypto';
import type { FinishedStep, IssuedEffect, ResumePoint } from '../dispatch/port.ts';
import type { EffectResult } from '../effects/port.ts';
import type { EffectOptions } from '../protocol/effect-options.ts';
import type { JournalRecord } from '../store/port.ts';

/**
 * One effect of an execution.
 *
 *   held     issued, not performed: during a replay, or until a commit lets it leave
 *   open     performed and not answered; it belongs to the gateway, whatever happens to the VM that asked for it
 *   done     answered; `segment` tells whether the program has seen the answer
 */
export interface JournalEffect {
  readonly stepPath: string;
  readonly attempt: number;
  /** From 1; that of a timer is negative, from -1. */
  readonly seq: number;
  readonly kind: string;
  /** Null for a record that was read from the store and not issued again yet: then only the hash is known. */
  argumentsJson: string | null;
  argumentsHash: Uint8Array | null;
  /** How it is to be performed, as the program that runs now has said it; null where nothing is said. */
  optionsJson: string | null;
  /** The same, read and checked before it leaves. */
  options: EffectOptions | null;
  /** It is recorded before it leaves, as one whose outcome is not known: a later life does not repeat it. */
  isIntended: boolean;
  /** Times that it was sent. */
  attempts: number;
  state: 'held' | 'open' | 'done';
  ok: boolean;
  /** What is recorded of the result. */
  json: string;
  /** The result itself where the record only stands for it, until it is handed out; it can be made again. */
  fullJson: string | null;
  /** The segment that consumed the result; `notConsumed` before that, or for good when its step ended first. */
  segment: number;
  segmentTimeMs: number;
  /** Whether the program that runs now has issued it: false after a dispatch until the replay reaches it. */
  issued: boolean;
  /** Handed to the ledger. */
  written: boolean;
  order: number;
  beganMs: number;
  endedMs: number;
  /** Of a timer: when it fires, ms since the epoch. */
  dueMs: number;
  /** Stops it while it is open. */
  abort: AbortController | null;
}

export interface JournalStep {
  readonly path: string;
  readonly attempt: number;
  readonly entryJson: string;
  readonly segment: number;
  readonly segmentTimeMs: number;
  written: boolean;
  order: number;
}

export const notConsumed = -1;

/** The kind of a timer: it takes a segment and a place in the order as a result does, and nothing is performed for it. */
export const timerKind = 'timer';
/** What the program issues to take back an effect or a timer. */
export const cancelKind = 'cancel';
/** What the memory of a timer that has fired counts for, in UTF-16 units. */
const timerSize = 64;

/** The program did something else than the journal says: what it did, and what was recorded. */
export interface Mismatch {
  stepPath: string;
  got: string;
  expected: string;
}

/**
 * What an execution has done, in memory: the outputs of finished steps and its effects with their results. The rows in the store are
 * always a part of it. It decides what a resumed program is given; it performs nothing and writes nothing itself.
 *
 * A replay starts after the last finished step whose effects are all answered (`resumePoint`) and delivers the recorded results in
 * the order of their segments, one a crossing (`nextReplay`), each with the time that its segment saw.
 */
export class Journal {
  readonly effects = new Map<string, JournalEffect>();
  /** Apart from the effects: they hold up nothing, and are written only along with something else. */
  readonly timers = new Map<string, JournalEffect>();
  readonly steps: JournalStep[] = [];
  /** Sum of the texts that it holds, in UTF-16 units. */
  size = 0;
  /** Segments so far: the number of the last one that was begun. */
  segment = 0;
  #order = 0;
  #replay: JournalEffect[] = [];
  #replayed = 0;

  /** Adds what the store kept, oldest first. */
  restore(records: JournalRecord[]): void {
    for (const record of [...records].sort((left, right) => left.order - right.order)) {
      const json = typeof record.json === 'string' ? record.json : Buffer.from(record.json).toString('utf8');
      this.size += json.length;
      this.#order = Math.max(this.#order, record.order);
      this.segment = Math.max(this.segment, record.segment);
      if (record.kind === 'step') {
        this.steps.push({
          path: record.stepPath,
          attempt: record.attempt,
          entryJson: json,
          segment: record.segment,
          segmentTimeMs: record.segmentTimeMs,
          written: true,
          order: record.order,
        });
        continue;
      }
      const effect = createEffect(record.stepPath, record.attempt, record.seq, record.kind, null);
      effect.argumentsHash = record.argumentsHash;
      effect.state = 'done';
      effect.ok = record.ok;
      effect.json = json;
      effect.segment = record.segment;
      effect.segmentTimeMs = record.segmentTimeMs;
      effect.written = true;
      effect.order = record.order;
      this.#entriesOf(record.kind).set(keyOf(record.stepPath, record.attempt, record.seq), effect);
    }
  }

  #entriesOf(kind: string): Map<string, JournalEffect> {
    return kind === timerKind ? this.timers : this.effects;
  }

  /**
   * Steps that a resume may skip: those before the first one with an unanswered effect. (An effect that was issued and not awaited
   * outlives its step; if the server dies first, only running the step again can ask for it again.)
   */
  get settledSteps(): JournalStep[] {
    const unsettled = new Set<string>();
    for (const effect of this.effects.values()) if (effect.state !== 'done') unsettled.add(effect.stepPath);
    if (unsettled.size === 0) return this.steps;
    const end = this.steps.findIndex((step) => unsettled.has(step.path));
    return end < 0 ? this.steps : this.steps.slice(0, end);
  }

  /** Prepares a replay: what the program is started with, and the time of its first segment (null: the execution's own start). */
  beginReplay(): { resume: ResumePoint | null; timeMs: number | null } {
    const settled = this.settledSteps;
    this.steps.length = settled.length;
    const skipped = new Set(settled.map((step) => step.path));
    this.#replay = [];
    this.#replayed = 0;
    for (const [key, effect] of this.effects) {
      // What never left is asked for again by the program; keeping it would make the execution wait for it if it is not.
      if (effect.state === 'held') {
        this.effects.delete(key);
        continue;
      }
      effect.issued = skipped.has(effect.stepPath);
      if (!effect.issued && effect.segment !== notConsumed) this.#replay.push(effect);
    }
    for (const [key, timer] of this.timers) {
      if (timer.segment === notConsumed) {
        this.timers.delete(key);
        continue;
      }
      timer.issued = skipped.has(timer.stepPath);
      if (!timer.issued) this.#replay.push(timer);
    }
    this.#replay.sort((left, right) => left.segment - right.segment);
    const last = settled[settled.length - 1];
    if (last === undefined) return { resume: null, timeMs: null };
    const elapsedUs = elapsedAfter(last.entryJson);
    return { resume: { finished: settled.map((step) => step.entryJson), elapsedUs }, timeMs: last.segmentTimeMs };
  }

  /** The number of the segment that a program started at the resume point begins with. */
  get firstSegment(): number {
    return this.steps.length === 0 ? 0 : (this.steps[this.steps.length - 1] as JournalStep).segment;
  }

  get isReplaying(): boolean {
    return this.#replayed < this.#replay.length;
  }

  /** The next recorded result to deliver, or what the program failed to ask for. Only while `isReplaying`. */
  nextReplay(): JournalEffect | Mismatch {
    const effect = this.#replay[this.#replayed] as JournalEffect;
    if (!effect.issued) {
      return {
        stepPath: effect.stepPath,
        got: 'no such call',
        expected: `${effect.kind} (call ${effect.seq} of the step)`,
      };
    }
    this.#replayed++;
    return effect;
  }

  /** Books an effect or a timer that the program issued in a segment of that time. Returns the new or matching one, or the mismatch. */
  issue(issued: IssuedEffect, segmentTimeMs: number): JournalEffect | Mismatch {
    const key = keyOf(issued.stepPath, issued.attempt, issued.seq);
    const entries = this.#entriesOf(issued.kind);
    const known = entries.get(key);
    if (known === undefined) {
      const effect = createEffect(issued.stepPath, issued.attempt, issued.seq, issued.kind, issued.argumentsJson);
      effect.issued = true;
      effect.optionsJson = issued.optionsJson ?? null;
      if (issued.kind === timerKind) effect.dueMs = segmentTimeMs + Number(issued.argumentsJson);
      this.size += issued.argumentsJson.length;
      entries.set(key, effect);
      return effect;
    }
    if (known.kind !== issued.kind || !sameArguments(known, issued.argumentsJson)) {
      return {
        stepPath: issued.stepPath,
        got: `${issued.kind} ${issued.argumentsJson.slice(0, 300)}`,
        expected: `${known.kind} ${known.argumentsJson?.slice(0, 300) ?? '(other arguments)'}`,
      };
    }
    known.argumentsJson = issued.argumentsJson;
    known.optionsJson = issued.optionsJson ?? null;
    known.issued = true;
    return known;
  }

  /** The program takes an effect or a timer back. Returns the effect when it has no answer yet; a timer is forgotten. */
  cancel(issued: IssuedEffect): JournalEffect | null {
    const key = keyOf(issued.stepPath, issued.attempt, issued.seq);
    const timer = this.timers.get(key);
    // One that has fired stays: its segment is counted, and a replay delivers it, to nobody.
    if (timer !== undefined && timer.segment === notConsumed) this.timers.delete(key);
    const effect = this.effects.get(key);
    return effect === undefined || effect.state === 'done' ? null : effect;
  }

  /** When the next timer fires, ms since the epoch; null when none is set. */
  get nextDueMs(): number | null {
    let next: number | null = null;
    for (const timer of this.timers.values()) {
      if (timer.state === 'open' && (next === null || timer.dueMs < next)) next = timer.dueMs;
    }
    return next;
  }

  /** The timers that are due by then, in the order in which they fire; they have fired now. */
  takeDue(dueMs: number): JournalEffect[] {
    const due = [...this.timers.values()].filter((timer) => timer.state === 'open' && timer.dueMs <= dueMs);
    for (const timer of due) {
      timer.state = 'done';
      timer.ok = true;
      timer.json = 'null';
      this.size += timerSize;
    }
    return due.sort((left, right) => left.dueMs - right.dueMs || right.seq - left.seq);
  }

  answer(effect: JournalEffect, result: EffectResult): void {
    effect.state = 'done';
    effect.ok = result.ok;
    effect.json = result.kept ?? result.json;
    effect.fullJson = result.kept === undefined ? null : result.json;
    this.size += effect.json.length;
  }

  /** Gives a result the next segment of the program. One that was written as not consumed is written again. */
  consume(effect: JournalEffect, timeMs: number): void {
    effect.segment = ++this.segment;
    effect.segmentTimeMs = timeMs;
    effect.written = false;
  }

  /** Whether it is still the effect that stands under its key: a replay forgets the held ones. */
  holds(effect: JournalEffect): boolean {
    return this.effects.get(keyOf(effect.stepPath, effect.attempt, effect.seq)) === effect;
  }

  finish(step: FinishedStep, segment: number, segmentTimeMs: number): void {
    this.steps.push({
      path: step.path,
      attempt: 1,
      entryJson: step.entryJson,
      segment,
      segmentTimeMs,
      written: false,
      order: 0,
    });
    this.size += step.entryJson.length;
  }

  hasFinished(stepPath: string): boolean {
    return this.steps.some((step) => step.path === stepPath);
  }

  get hasUnanswered(): boolean {
    for (const effect of this.effects.values()) if (effect.state !== 'done') return true;
    return false;
  }

  /** What is written next says that it was about to leave. The record is replaced by that of its result. */
  intend(effect: JournalEffect): void {
    effect.isIntended = true;
  }

  /** A result is recorded once the program has seen it, or when it never will because its step has ended. */
  #isRecordable(effect: JournalEffect): boolean {
    return (
      !effect.written &&
      effect.state === 'done' &&
      (effect.segment !== notConsumed || this.hasFinished(effect.stepPath))
    );
  }

  /** What the store does not have yet, in order; marked as handed over. */
  takeUnwritten(): JournalRecord[] {
    const records: JournalRecord[] = [];
    for (const effect of this.effects.values()) {
      if (this.#isRecordable(effect)) records.push(recordOf(effect));
      else if (isIntent(effect)) records.push(intentOf(effect));
    }
    for (const timer of this.timers.values()) if (this.#isRecordable(timer)) records.push(recordOf(timer));
    records.sort((left, right) => left.segment - right.segment);
    for (const record of records) record.order = ++this.#order;
    for (const step of this.settledSteps) {
      if (step.written) continue;
      step.written = true;
      step.order = ++this.#order;
      records.push({
        stepPath: step.path,
        attempt: step.attempt,
        seq: 0,
        kind: 'step',
        argumentsHash: null,
        ok: true,
        json: step.entryJson,
        segment: step.segment,
        segmentTimeMs: step.segmentTimeMs,
        order: step.order,
      });
    }
    return records;
  }

  /** Whether anything waits to be written. Timers wait for something else: which fired first matters once something came of it. */
  get hasUnwritten(): boolean {
    for (const effect of this.effects.values()) if (this.#isRecordable(effect)) return true;
    return this.settledSteps.some((step) => !step.written);
  }
}

/** An intent that is not written yet. */
function isIntent(effect: JournalEffect): boolean {
  return effect.isIntended && effect.state === 'held' && !effect.written;
}

/** Read by a later life as a result that the program has not seen: it is given this one. */
function intentOf(effect: JournalEffect): JournalRecord {
  return { ...recordOf(effect), ok: false, json: outcomeUnknownJson };
}

const outcomeUnknownJson = JSON.stringify({
  code: 'effect_outcome_unknown',
  message:
    'the server ended while the call was under way, and it is to be made at most once (atMostOnce). Find out from the other side whether it took effect',
  reason: 'outcome_unknown',
  retryable: false,
});

export function isMismatch(value: JournalEffect | Mismatch): value is Mismatch {
  return 'expected' in value;
}

function keyOf(stepPath: string, attempt: number, seq: number): string {
  return `${stepPath}#${attempt}#${seq}`;
}

function createEffect(
  stepPath: string,
  attempt: number,
  seq: number,
  kind: string,
  argumentsJson: string | null,
): JournalEffect {
  return {
    stepPath,
    attempt,
    seq,
    kind,
    argumentsJson,
    argumentsHash: null,
    optionsJson: null,
    options: null,
    isIntended: false,
    attempts: 0,
    state: 'held',
    ok: false,
    json: '',
    fullJson: null,
    segment: notConsumed,
    segmentTimeMs: 0,
    issued: false,
    written: false,
    order: 0,
    beganMs: 0,
    endedMs: 0,
    dueMs: 0,
    abort: null,
  };
}

/** What the store keeps of it; it counts as written. */
function recordOf(effect: JournalEffect): JournalRecord {
  effect.written = true;
  return {
    stepPath: effect.stepPath,
    attempt: effect.attempt,
    seq: effect.seq,
    kind: effect.kind,
    argumentsHash: hashOf(effect),
    ok: effect.ok,
    json: effect.json,
    segment: effect.segment,
    segmentTimeMs: effect.segmentTimeMs,
    order: 0,
  };
}

function hashOf(effect: JournalEffect): Uint8Array {
  effect.argumentsHash ??= createHash('sha256')
    .update(effect.argumentsJson ?? '')
    .digest();
  return effect.argumentsHash;
}

function sameArguments(known: JournalEffect, argumentsJson: string): boolean {
  if (known.argumentsJson !== null) return known.argumentsJson === argumentsJson;
  return Buffer.from(hashOf(known)).equals(createHash('sha256').update(argumentsJson).digest());
}

/** Start plus duration of a trace entry, in microseconds. */
function elapsedAfter(entryJson: string): number {
  const entry = JSON.parse(entryJson) as [string, number, number, number, number, unknown];
  return entry[3] + entry[4];
}
