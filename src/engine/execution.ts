import type { Care, Dispatcher, RunHandle, RunListener, RunLoss, RunOutcome, Segment } from '../dispatch/port.ts';
import { type EffectResult, type Effects, isKeptJson, type SecretClaims } from '../effects/port.ts';
import { NflowError } from '../errors.ts';
import type { TracedEffect } from '../protocol/trace.ts';
import type { Durability, ExecutionEnd, Incarnation, Ledger, StartedExecution, TriggerKind } from '../store/port.ts';
import { parseAnswerFile } from './answer-file.ts';
import { parseAnswerHeaders } from './answer-headers.ts';
import { type AttemptHost, perform, performEffect, withAttempts } from './effect-attempts.ts';
import { refusalOf } from './effect-grant.ts';
import { parseEffectOptions } from './effect-options.ts';
import { type Failure, failureFromGuest, failureOf } from './failure.ts';
import { idempotencyKeyOf } from './idempotency-key.ts';
import {
  cancelKind,
  isMismatch,
  Journal,
  type JournalEffect,
  type Mismatch,
  notConsumed,
  timerKind,
} from './journal.ts';
import { reachPoint } from './points.ts';
import type { ActiveWorkflow, Answer, EngineObserver, ExecutionEvent } from './port.ts';

/** What all executions of one engine share. */
export interface ExecutionHost {
  readonly dispatcher: Dispatcher;
  readonly effects: Effects;
  /** Null without a store: the journal lives in memory only. */
  readonly ledger: Ledger | null;
  readonly incarnation: Incarnation | null;
  readonly observer: EngineObserver;
  /** A run has used up its VM or ended its process. One whose servers ended, whoever did that, is not told of here. */
  readonly onCrash?: (workflow: string) => void;
  readonly journalSizeMax: number;
  readonly effectsPerRunMax: number;
  /** Rows of `recorded` executions that may wait for the store. */
  readonly recordedBufferMax: number;
  recordedPending: number;
  recordedDropped: number;
  /** Wall clock, on the store's time: ms since the epoch. */
  wallMs(): number;
  /** Rings once, at that time on the clock of `wallMs` or a little later. Returns what puts it off for good. */
  setAlarm(atMs: number, ring: () => void): () => void;
  /** Who follows executions live; null when nobody does, and then it costs nothing. */
  listener: ((event: ExecutionEvent) => void) | null;
  /** Called once, when the execution is over: nothing of it is in flight any more. */
  onOver(execution: Execution): void;
}

export interface ExecutionStart {
  id: string;
  seed: string;
  workflow: ActiveWorkflow;
  durability: Durability;
  trigger: TriggerKind;
  inputJson: string;
  body: Uint8Array | null;
  receivedMs: number;
  startedAtMs: number;
  deadlineMs: number;
}

/**
 *   running     a program runs or waits for effects
 *   settling    the program has ended; effects that it did not await are still open
 *   committing  the end is on its way to the store
 *   over        nothing more happens
 */
type Phase = 'running' | 'settling' | 'committing' | 'over';

/** Dispatches in a row that may be lost without any progress before the next one waits. */
const promptDispatchesMax = 5;
/** A result that was delivered to a segment which does not end is written after this long. */
const writeAfterMs = 50;
/** The end of an execution whose time is over still gets this long to be committed. */
const commitGraceMs = 5000;
/** A run that found every VM busy, and may not be refused any more, or that was lost again and again, is dispatched after this long. */
const retryDispatchMs = 200;

/**
 * One execution, from its request to its end: dispatches its program, performs its effects, keeps its journal, and holds the order in
 * which things are committed:
 *
 * - a safe effect leaves at once;
 * - before an unsafe effect of a durable execution leaves, the execution's row and every result delivered so far are committed;
 * - a result may reach the program before it is committed; no answer leaves before the end is.
 *
 * So an execution without unsafe effects has no row until its end, and costs one insert.
 */
export class Execution implements RunListener {
  readonly id: string;
  readonly #host: ExecutionHost;
  readonly #start: ExecutionStart;
  readonly #durable: boolean;
  #onAnswer: ((answer: Answer) => void) | null;
  #phase: Phase = 'running';
  #handle: RunHandle | null = null;
  #journal: Journal | null = null;
  /** Issued by the program that runs now and not yet left or delivered. */
  #issued: JournalEffect[] = [];
  /** May leave by all that is committed, and waits until this server is sure again that it owns the execution. */
  #postponed: JournalEffect[] = [];
  /** Segments sent to the runner and not answered: number and time of each. */
  #sent: { segment: number; timeMs: number }[] = [];
  /** The last of the results that wait for one that is being made again. */
  #restoring: Promise<void> | null = null;
  #lastSegmentMs = 0;
  #outcome: RunOutcome | null = null;
  /** Puts off the alarm for the next timer of the program; null when none is set. */
  #stopAlarm: (() => void) | null = null;
  #alarmAtMs = 0;
  #hasRow = false;
  #wasResumed = false;
  #storeHasFailed = false;
  #lastWrite: Promise<void> | null = null;
  #unwrittenSinceMs = 0;
  #clientLeft = false;
  #care: Care = 'none';
  #fruitless = 0;
  #progress = -1;
  #dispatchAtMs = 0;
  #logs: Map<string, unknown> | null = null;
  #dispatchedMs = 0;
  #acquireMs = 0;
  #runMs = 0;
  #effectsMs = 0;

  constructor(host: ExecutionHost, start: ExecutionStart, onAnswer: ((answer: Answer) => void) | null) {
    this.id = start.id;
    this.#host = host;
    this.#start = start;
    this.#durable = start.durability === 'durable' && host.ledger !== null;
    this.#onAnswer = onAnswer;
  }

  /** Goes on with an execution that has a row, owned by this incarnation now. */
  static resume(host: ExecutionHost, start: ExecutionStart, journal: Journal): Execution {
    const execution = new Execution(host, start, null);
    execution.#hasRow = true;
    execution.#wasResumed = true;
    execution.#journal = journal;
    return execution;
  }

  get isOver(): boolean {
    return this.#phase === 'over';
  }

  /** Its journal, and its input once no request holds that. Texts count as a byte a UTF-16 unit. */
  get heldBytes(): number {
    const { inputJson, body } = this.#start;
    return (this.#journal?.size ?? 0) + (this.#clientLeft ? inputJson.length + (body?.length ?? 0) : 0);
  }

  begin(): void {
    if (this.#host.listener !== null) this.#host.listener(this.#event('running', null, null));
    this.#dispatch('none');
  }

  /** Ends it before it was dispatched, as the engine judged. */
  abandon(failure: Failure): void {
    this.#fail(failure);
  }

  // ---- dispatch and replay ------------------------------------------------------------------------------------------------------

  #dispatch(care: Care): void {
    const { workflow, inputJson, body, seed, startedAtMs, deadlineMs } = this.#start;
    const replay = this.#journal?.beginReplay() ?? null;
    const timeMs = replay?.timeMs ?? startedAtMs;
    this.#care = care;
    this.#dispatchAtMs = 0;
    this.#issued = [];
    this.#postponed = [];
    this.#restoring = null;
    this.#clearAlarm();
    this.#sent = [{ segment: this.#journal?.firstSegment ?? 0, timeMs }];
    this.#lastSegmentMs = Math.max(this.#lastSegmentMs, timeMs);
    const isReturning = this.#dispatchedMs !== 0 || this.#hasRow;
    this.#dispatchedMs ||= performance.now();
    this.#handle = this.#host.dispatcher.start(
      {
        program: workflow.program,
        executionId: this.id,
        version: workflow.version,
        seed,
        inputJson,
        body,
        timeMs,
        resume: replay?.resume ?? null,
        deadlineMs,
        care,
        isReturning,
      },
      this,
    );
  }

  /**
   * Its VM is gone: goes on from the journal. That may be the fault of others, any number of times, so it is not given up; but after
   * a few fruitless times it waits in between, and its own timeout ends it.
   */
  #dispatchAgain(care: Care): void {
    const progress = (this.#journal?.segment ?? 0) + (this.#journal?.steps.length ?? 0);
    this.#fruitless = progress === this.#progress ? this.#fruitless + 1 : 1;
    this.#progress = progress;
    if (this.#fruitless <= promptDispatchesMax) {
      this.#dispatch(care);
      return;
    }
    this.#care = care;
    this.#dispatchAtMs = performance.now() + retryDispatchMs;
  }

  // ---- what the dispatcher tells ------------------------------------------------------------------------------------------------

  onSegment(segment: Segment): void {
    if (this.#phase !== 'running') return;
    const ended = this.#sent.shift();
    this.#runMs += segment.durationMs;
    this.#acquireMs += segment.acquireMs;
    if (this.#clientLeft && !this.#durable) {
      this.#fail(failureOf('cancelled', 'run_cancelled', 'the client left before the answer', this.#workflow));
      return;
    }
    this.#keepLogs(segment.logsJson);
    const journal = this.#ensureJournal();
    for (const step of segment.finished) journal.finish(step, ended?.segment ?? 0, ended?.timeMs ?? 0);
    if (!this.#book(segment.effects, journal, ended?.timeMs ?? 0)) return;
    this.#proceed(journal);
  }

  onEnd(outcome: RunOutcome): void {
    if (this.#phase !== 'running') return;
    this.#handle = null;
    this.#runMs += outcome.durationMs;
    this.#acquireMs += outcome.acquireMs;
    this.#keepLogs(outcome.logsJson);
    this.#outcome = outcome;
    if (this.#journal === null && outcome.effects.length === 0) {
      this.#conclude(outcome);
      return;
    }
    // Effects that were issued and not awaited still leave, and the execution is not over before they are answered.
    const journal = this.#ensureJournal();
    if (!this.#book(outcome.effects, journal, this.#lastSegmentMs)) return;
    this.#phase = 'settling';
    this.#clearAlarm();
    for (const effect of this.#takeIssued()) {
      if (effect.state === 'held' && effect.kind !== timerKind) this.#admit(effect);
    }
    this.#concludeIfSettled();
  }

  onBadBody(message: string): void {
    if (this.#phase !== 'running') return;
    this.#handle = null;
    if (this.#hasRow) {
      // It was accepted once, so its stored input is JSON: a program that refuses it now is not the one that ran.
      this.#crash('its recorded input could not be read');
      return;
    }
    const error = new NflowError('bad_body', `the body is not JSON: ${message}`, {
      got: message,
      expected: 'a JSON text in UTF-8',
      remedy: 'correct the body, or send it with another content type',
    });
    this.#answer({ executionId: null, status: error.status, headers: null, body: null, error });
    this.#over('refused');
  }

  onLoss(loss: RunLoss): void {
    if (this.#phase !== 'running') return;
    this.#handle = null;
    switch (loss.kind) {
      case 'lost':
        this.#dispatchAgain(this.#care);
        break;
      case 'evicted':
        // A result has come, so this is progress, however often it happens.
        this.#dispatch(this.#care);
        break;
      case 'interrupted':
        // Not its fault, however often: its own timeout bounds it.
        this.#dispatch(this.#care);
        break;
      case 'suspect':
        if (this.#care === 'quarantine')
          this.#crash('it ended the process that runs VMs, twice; the second time alone in it');
        else this.#dispatchAgain(loss.care);
        break;
      case 'timed_out':
        this.#timeOut(loss.limit);
        break;
      case 'crashed':
        this.#crash(loss.reason);
        break;
      case 'pool_exhausted':
        this.#refuseOrRetry();
        break;
    }
  }

  #refuseOrRetry(): void {
    if (this.#hasRow || (this.#journal !== null && this.#journal.effects.size > 0)) {
      this.#dispatchAtMs = performance.now() + retryDispatchMs;
      return;
    }
    const error = new NflowError('pool_exhausted', 'every VM of this server was executing for too long', {
      remedy: 'try again later; raise [vm_pool] max_size or [runners] fast, or add a server',
    });
    this.#answer({ executionId: null, status: error.status, headers: null, body: null, error });
    this.#over('refused');
  }

  // ---- effects ------------------------------------------------------------------------------------------------------------------

  /** Books issued effects in the journal. False when the execution has ended over them. */
  #book(effects: Segment['effects'], journal: Journal, segmentTimeMs: number): boolean {
    for (const issued of effects) {
      if (issued.kind === cancelKind) {
        this.#cancel(journal.cancel(issued));
        continue;
      }
      const effect = journal.issue(issued, segmentTimeMs);
      if (isMismatch(effect)) {
        this.#failNondeterministic(effect);
        return false;
      }
      this.#issued.push(effect);
    }
    if (journal.effects.size > this.#host.effectsPerRunMax || journal.size > this.#host.journalSizeMax) {
      const what =
        journal.size > this.#host.journalSizeMax
          ? `its journal is over ${this.#host.journalSizeMax} characters`
          : `it has more than ${this.#host.effectsPerRunMax} effects`;
      this.#fail(
        failureOf('failed', 'output_too_large', what, this.#workflow, 'split the work over several executions'),
      );
      return false;
    }
    return true;
  }

  #takeIssued(): JournalEffect[] {
    const issued = this.#issued;
    this.#issued = [];
    return issued;
  }

  /** After a segment: the next recorded result, or, once there is none, what the program asked for since. */
  #proceed(journal: Journal): void {
    if (journal.isReplaying) {
      const next = journal.nextReplay();
      if (isMismatch(next)) this.#failNondeterministic(next);
      else this.#send(next, next.segment, next.segmentTimeMs, true);
      return;
    }
    for (const effect of this.#takeIssued()) {
      if (effect.kind === timerKind) {
        if (effect.state === 'held') effect.state = 'open';
      } else if (effect.state === 'held') this.#admit(effect);
      else if (effect.state === 'done' && effect.segment === notConsumed) this.#deliver(effect);
    }
    if (journal.timers.size > 0) this.#setAlarm(journal);
    if (this.#phase === 'running' && this.#hasRow && journal.hasUnwritten) this.#write();
  }

  // ---- timers of the program -----------------------------------------------------------------------------------------------------

  /** One alarm an execution, for the timer that is due first. */
  #setAlarm(journal: Journal): void {
    const dueMs = journal.nextDueMs;
    if (this.#stopAlarm !== null && dueMs === this.#alarmAtMs) return;
    this.#clearAlarm();
    if (dueMs === null) return;
    this.#alarmAtMs = dueMs;
    this.#stopAlarm = this.#host.setAlarm(dueMs, () => this.#onAlarm(dueMs));
  }

  #clearAlarm(): void {
    this.#stopAlarm?.();
    this.#stopAlarm = null;
  }

  #onAlarm(dueMs: number): void {
    this.#stopAlarm = null;
    const journal = this.#journal;
    // Without a program nothing fires: one that is started again sets its timers again, for the same time.
    if (journal === null || this.#phase !== 'running' || this.#handle === null || journal.isReplaying) return;
    for (const timer of journal.takeDue(dueMs)) this.#deliver(timer);
    this.#setAlarm(journal);
  }

  /** The program does not wait for it any more: what has not left never does, what is open is stopped. */
  #cancel(effect: JournalEffect | null): void {
    if (effect === null) return;
    if (effect.state === 'open') effect.abort?.abort();
    else this.#onResult(effect, cancelled);
  }

  /** Lets an effect leave when it may. */
  #admit(effect: JournalEffect): void {
    const kind = this.#host.effects.get(effect.kind);
    if (kind === undefined) {
      const message = `there is no effect '${effect.kind}' in this version`;
      this.#onResult(effect, { ok: false, json: JSON.stringify({ code: 'effect_failed', message, retryable: false }) });
      return;
    }
    const { compiled } = this.#start.workflow;
    const refusal =
      optionsProblem(effect) ?? refusalOf(kind, effect.argumentsJson as string, compiled, this.#host.effects);
    if (refusal !== null) {
      this.#onResult(effect, refusal);
      return;
    }
    const isAtMostOnce = effect.options?.atMostOnce === true;
    if (!this.#durable || (!isAtMostOnce && kind.isSafe(effect.argumentsJson as string))) {
      this.#leave(effect);
      return;
    }
    if (isAtMostOnce) this.#journal?.intend(effect);
    this.#write().then(
      () => this.#leave(effect),
      (error: unknown) => this.#storeFailed(error),
    );
  }

  #leave(effect: JournalEffect): void {
    if (effect.state !== 'held' || this.#journal?.holds(effect) !== true || this.#isEnding) return;
    if (this.#durable && this.#host.incarnation?.mayAct === false) {
      // This server cannot tell whether it still owns the execution: the effect waits for the next beat (see `tick`).
      this.#postponed.push(effect);
      return;
    }
    const kind = this.#host.effects.get(effect.kind);
    if (kind === undefined) return;
    reachPoint('before-effect', this.id);
    effect.state = 'open';
    effect.beganMs = performance.now();
    effect.abort = new AbortController();
    const argumentsJson = effect.argumentsJson as string;
    const context = {
      executionId: this.id,
      workflow: this.#workflow,
      idempotencyKey: effect.options?.idempotencyKey ?? idempotencyKeyOf(this.id, effect),
      // A key of the workflow's own may be of another call.
      isFirstSending: !this.#wasResumed && effect.options?.idempotencyKey == null,
      signal: effect.abort.signal,
      secrets: secretClaimsOf(this.#start),
    };
    const call = { kind: effect.kind, argumentsJson };
    const performed =
      effect.options === null
        ? perform(kind, call, context).then((result) => ({ result, attempts: 1 }))
        : performEffect(kind, call, context, effect.options, this.#attemptHost());
    performed.then((attempted) => {
      reachPoint('after-effect', this.id);
      effect.attempts = attempted.attempts;
      this.#onResult(effect, withAttempts(kind, attempted));
    });
  }

  #attemptHost(): AttemptHost {
    return {
      cache: this.#host.effects.cache,
      mayAct: () => !this.#durable || this.#host.incarnation?.mayAct !== false,
      deadlineMs: this.#start.deadlineMs,
    };
  }

  #onResult(effect: JournalEffect, result: EffectResult): void {
    const journal = this.#journal;
    if (journal === null || this.#isEnding) return;
    effect.endedMs = performance.now();
    const tookMs = effect.beganMs === 0 ? 0 : effect.endedMs - effect.beganMs;
    this.#effectsMs += tookMs;
    this.#host.observer.onEffect(effect.kind, tookMs, result.ok);
    journal.answer(effect, result);
    if (this.#phase === 'settling') {
      this.#concludeIfSettled();
      return;
    }
    // During a replay, and before the program that runs now has asked for it, the result waits in the journal.
    if (!effect.issued || journal.isReplaying || this.#handle === null || this.#issued.includes(effect)) return;
    this.#deliver(effect);
  }

  #deliver(effect: JournalEffect): void {
    const journal = this.#journal as Journal;
    if (journal.hasFinished(effect.stepPath)) {
      effect.fullJson = null;
      if (this.#hasRow) this.#write();
      return;
    }
    // Time does not run backwards for a program, whatever the clock does.
    const timeMs = Math.max(this.#lastSegmentMs, Math.floor(this.#host.wallMs()), effect.dueMs);
    journal.consume(effect, timeMs);
    if (effect.kind !== timerKind) this.#unwrittenSinceMs ||= performance.now();
    this.#send(effect, effect.segment, timeMs, false);
  }

  #send(effect: JournalEffect, segment: number, timeMs: number, isReplay: boolean): void {
    this.#lastSegmentMs = Math.max(this.#lastSegmentMs, timeMs);
    this.#sent.push({ segment, timeMs });
    const isWhole = effect.fullJson !== null || !effect.ok || !isKeptJson(effect.json);
    if (isWhole && this.#restoring === null) {
      const json = effect.fullJson ?? effect.json;
      effect.fullJson = null;
      this.#handle?.deliver(effect.stepPath, effect.seq, effect.ok, json, timeMs, isReplay);
      return;
    }
    // What comes after a result that is being made again waits for it: the program gets them in this order.
    const handle = this.#handle;
    const sending: Promise<void> = (this.#restoring ?? Promise.resolve())
      .then(() => (isWhole ? { ok: effect.ok, json: effect.fullJson ?? effect.json } : this.#restore(effect)))
      .then((result: EffectResult) => {
        if (this.#restoring === sending) this.#restoring = null;
        if (this.#handle !== handle || handle === null || this.#phase !== 'running') return;
        effect.fullJson = null;
        if (isWhole || result.kept === effect.json) {
          handle.deliver(effect.stepPath, effect.seq, result.ok, result.json, timeMs, isReplay);
        } else {
          this.#failNotRestored(effect, result);
        }
      });
    this.#restoring = sending;
  }

  /** Makes a result again of which the record only says how. */
  #restore(effect: JournalEffect): Promise<EffectResult> {
    const kind = this.#host.effects.get(effect.kind);
    const context = {
      executionId: this.id,
      workflow: this.#workflow,
      idempotencyKey: idempotencyKeyOf(this.id, effect),
      isFirstSending: false,
      signal: new AbortController().signal,
    };
    const call = { kind: effect.kind, argumentsJson: effect.argumentsJson as string };
    return kind?.restore?.(call, context) ?? Promise.resolve({ ok: false, json: effect.json });
  }

  /** The program would be told something else than the first time. */
  #failNotRestored(effect: JournalEffect, result: EffectResult): void {
    const said = result.ok ? 'it is another one now' : (JSON.parse(result.json) as { message?: string }).message;
    const message = `the execution was resumed, and what it had read could not be read again: ${said}`;
    const remedy = 'leave files alone until the workflows that read them have ended';
    const failure = failureOf('failed', 'nondeterministic', message, this.#workflow, remedy);
    this.#fail({ ...failure, json: JSON.stringify({ ...JSON.parse(failure.json), node: effect.stepPath }) });
  }

  // ---- the store ----------------------------------------------------------------------------------------------------------------

  /** Commits the row, if there is none, and all that was delivered so far. Resolves when everything up to now is committed. */
  #write(): Promise<void> {
    const ledger = this.#host.ledger;
    if (ledger === null || !this.#durable) return Promise.resolve();
    const records = this.#journal?.takeUnwritten() ?? [];
    this.#unwrittenSinceMs = 0;
    if (!this.#hasRow) {
      this.#hasRow = true;
      // Once it was sent, it may be there: an execution that may have a row is not given up because the store is away. Its writes
      // are repeated until the store is there again; the client is answered meanwhile (see `tick`).
      this.#lastWrite = ledger.start(this.#startedRow(), records, Number.POSITIVE_INFINITY);
    } else if (records.length > 0) {
      this.#lastWrite = ledger.append(this.id, records, Number.POSITIVE_INFINITY);
    }
    const write = this.#lastWrite ?? Promise.resolve();
    write.catch((error: unknown) => this.#storeFailed(error));
    return write;
  }

  #startedRow(): StartedExecution {
    const { workflow, durability, trigger, inputJson, body, seed, startedAtMs, deadlineMs } = this.#start;
    return {
      id: this.id,
      versionId: workflow.versionId,
      durability,
      trigger,
      inputHead: inputJson,
      inputBody: body,
      seed,
      startedAtMs,
      deadlineAtMs: Math.round(this.#host.wallMs() + deadlineMs - performance.now()),
    };
  }

  /** The store refused a write of a running execution, or could not take its first one in time. Nothing more leaves. */
  #storeFailed(cause: unknown): void {
    if (this.#phase === 'over' || (this.#phase === 'committing' && this.#storeHasFailed)) return;
    this.#storeHasFailed = true;
    const error =
      cause instanceof NflowError
        ? cause
        : new NflowError('internal_error', 'the store refused the execution', { cause });
    const mayExist = this.#hasRow || error.details.got === 'outcome unknown';
    this.#answer({ executionId: mayExist ? this.id : null, status: error.status, headers: null, body: null, error });
    this.#stopProgram();
    const wasEnding = this.#phase === 'committing';
    this.#phase = 'committing';
    if (!this.#hasRow || wasEnding || this.#host.ledger === null) {
      this.#over('store_failed');
      return;
    }
    // Its row is there and stays ours as long as we live: nobody else would end it.
    const failure = failureOf(
      'failed',
      'internal_error',
      `the store refused a record: ${error.message}`,
      this.#workflow,
    );
    const over = (): void => this.#over('store_failed');
    this.#host.ledger
      .finish(this.id, this.#end(error.status, null, '[]', failure), Number.POSITIVE_INFINITY)
      .then(over, over);
  }

  // ---- the end --------------------------------------------------------------------------------------------------------------------

  get #workflow(): string {
    return this.#start.workflow.compiled.name;
  }

  get #isEnding(): boolean {
    return this.#phase === 'committing' || this.#phase === 'over';
  }

  #concludeIfSettled(): void {
    if (this.#phase === 'settling' && this.#journal?.hasUnanswered !== true)
      this.#conclude(this.#outcome as RunOutcome);
  }

  #conclude(outcome: RunOutcome): void {
    if (outcome.status === 'failed') {
      const failure = failureFromGuest(outcome.errorJson, outcome.httpStatus, this.#workflow);
      this.#commit(failure.error.status, null, outcome.trace, failure, {
        executionId: this.id,
        status: failure.error.status,
        headers: null,
        body: null,
        error: failure.error,
      });
      return;
    }
    const isNull = outcome.output.length === 4 && outcome.output.toString('latin1') === 'null';
    const status = outcome.httpStatus === 0 ? (isNull ? 204 : 200) : outcome.httpStatus;
    this.#commit(status, outcome.output, outcome.trace, null, {
      executionId: this.id,
      status,
      headers: parseAnswerHeaders(outcome.headersJson),
      body: isNull ? null : outcome.output,
      ...parseAnswerFile(outcome.headersJson, this.#workflow),
      error: null,
    });
  }

  #fail(failure: Failure): void {
    if (this.#isEnding) return;
    this.#stopProgram();
    const trace = `[${(this.#journal?.steps ?? []).map((step) => step.entryJson).join(',')}]`;
    this.#commit(failure.error.status, null, trace, failure, {
      executionId: this.id,
      status: failure.error.status,
      headers: null,
      body: null,
      error: failure.error,
    });
  }

  #crash(reason: string): void {
    this.#host.onCrash?.(this.#workflow);
    this.#fail(
      failureOf('crashed', 'run_crashed', reason, this.#workflow, 'see what the node allocates or calls in a loop'),
    );
  }

  #timeOut(limit: 'timeout' | 'max_execution_seconds'): void {
    const what =
      limit === 'timeout'
        ? `it took longer than its timeout of ${this.#start.workflow.compiled.timeoutMs} ms`
        : 'one stretch of its code used more CPU than [vm_pool] max_execution_seconds';
    const remedy =
      limit === 'timeout' ? "raise the workflow's `timeout`, or do less" : 'let the code wait in between, or do less';
    this.#fail(failureOf('timed_out', 'run_timed_out', what, this.#workflow, remedy));
  }

  #failNondeterministic(mismatch: Mismatch): void {
    const message = `when it was resumed, the program called ${mismatch.got} where ${mismatch.expected} is recorded`;
    const failure = failureOf(
      'failed',
      'nondeterministic',
      message,
      this.#workflow,
      'what a node calls may depend only on its input, on ctx and on the results of its calls',
    );
    this.#fail({ ...failure, json: JSON.stringify({ ...JSON.parse(failure.json), node: mismatch.stepPath }) });
  }

  #stopProgram(): void {
    this.#handle?.drop();
    this.#handle = null;
    this.#clearAlarm();
    this.#abortEffects();
  }

  #abortEffects(): void {
    if (this.#journal === null) return;
    for (const effect of this.#journal.effects.values()) if (effect.state === 'open') effect.abort?.abort();
  }

  /** Writes the end as the durability asks for, and answers. */
  #commit(
    httpStatus: number,
    output: Uint8Array | null,
    trace: Uint8Array | string,
    failure: Failure | null,
    answer: Answer,
  ): void {
    this.#phase = 'committing';
    const { durability } = this.#start;
    const ledger = this.#host.ledger;
    const status = failure === null ? 'succeeded' : failure.status;
    if (ledger === null || durability === 'ephemeral') {
      this.#answer(answer);
      this.#over(status, httpStatus, failure);
      return;
    }
    const end = this.#end(httpStatus, output, trace, failure);
    if (durability === 'recorded') {
      this.#answer(answer);
      this.#record(ledger, end);
      this.#over(status, httpStatus, failure);
      return;
    }
    const written = this.#hasRow
      ? ledger.finish(this.id, end, Number.POSITIVE_INFINITY)
      : ledger.end(
          { ...this.#identity(), ...end },
          Math.max(this.#start.deadlineMs, performance.now() + commitGraceMs),
        );
    written.then(
      () => {
        this.#answer(answer);
        this.#over(status, httpStatus, failure);
      },
      (error: unknown) => this.#storeFailed(error),
    );
  }

  /** History behind the answer, in the same batches; what the store cannot take is dropped and counted. */
  #record(ledger: Ledger, end: ExecutionEnd): void {
    const host = this.#host;
    if (host.recordedPending >= host.recordedBufferMax) {
      host.recordedDropped++;
      return;
    }
    host.recordedPending++;
    ledger.end({ ...this.#identity(), ...end }, Number.POSITIVE_INFINITY).then(
      () => {
        host.recordedPending--;
      },
      () => {
        host.recordedPending--;
        host.recordedDropped++;
      },
    );
  }

  #identity() {
    const { workflow, durability, trigger, inputJson, body } = this.#start;
    return { id: this.id, versionId: workflow.versionId, durability, trigger, inputHead: inputJson, inputBody: body };
  }

  #end(
    httpStatus: number,
    output: Uint8Array | null,
    trace: Uint8Array | string,
    failure: Failure | null,
  ): ExecutionEnd {
    const nowMs = performance.now();
    const { receivedMs } = this.#start;
    return {
      status: failure === null ? 'succeeded' : failure.status,
      httpStatus,
      output,
      error: failure === null ? null : failure.json,
      trace,
      effects: this.#tracedEffects(),
      logs: this.#logs === null ? null : JSON.stringify([...this.#logs.values()]),
      timing: {
        queueUs: toUs(this.#dispatchedMs - receivedMs),
        acquireUs: toUs(this.#acquireMs),
        runUs: toUs(this.#runMs),
        effectsUs: toUs(this.#effectsMs),
        totalUs: toUs(nowMs - receivedMs),
      },
    };
  }

  #tracedEffects(): string | null {
    if (this.#journal === null || this.#journal.effects.size === 0) return null;
    const traced: TracedEffect[] = [];
    for (const effect of this.#journal.effects.values()) {
      const description = this.#host.effects.get(effect.kind)?.describe(effect.argumentsJson ?? '{}') ?? effect.kind;
      const tries = effect.attempts > 1 ? ` (attempt ${effect.attempts})` : '';
      const beganMs = effect.beganMs === 0 ? this.#dispatchedMs : effect.beganMs;
      const endedMs = effect.endedMs === 0 ? beganMs : effect.endedMs;
      traced.push([
        effect.stepPath,
        effect.attempt,
        effect.seq,
        effect.kind,
        effect.ok && effect.attempts === 0 && effect.options?.cache != null
          ? `${description} (from the cache)`
          : description + tries,
        effect.ok ? 1 : 0,
        toUs(beganMs - this.#dispatchedMs),
        toUs(endedMs - beganMs),
      ]);
    }
    return JSON.stringify(traced);
  }

  /** Keeps each log line once: a replay repeats them. */
  #keepLogs(logsJson: string): void {
    if (logsJson === '') return;
    this.#logs ??= new Map();
    for (const line of JSON.parse(logsJson) as [string, number, number][]) {
      this.#logs.set(`${line[0]}#${line[1]}#${line[2]}`, line);
    }
  }

  #answer(answer: Answer): void {
    const onAnswer = this.#onAnswer;
    if (onAnswer === null) return;
    this.#onAnswer = null;
    reachPoint('before-answer', this.id);
    onAnswer(answer);
  }

  /** `httpStatus` is null when it ended otherwise than by `#commit`: nobody is told of it then. */
  #over(status: string, httpStatus: number | null = null, failure: Failure | null = null): void {
    this.#phase = 'over';
    if (this.#stopAlarm !== null) this.#clearAlarm();
    this.#abortEffects();
    if (status !== 'refused') {
      this.#host.observer.onExecution(
        this.#workflow,
        this.#start.durability,
        status,
        performance.now() - this.#start.receivedMs,
      );
    }
    if (this.#host.listener !== null && httpStatus !== null) {
      this.#host.listener(this.#event(failure === null ? 'succeeded' : failure.status, httpStatus, failure));
    }
    this.#host.onOver(this);
  }

  #event(status: ExecutionEvent['status'], httpStatus: number | null, failure: Failure | null): ExecutionEvent {
    const { workflow, durability, trigger, receivedMs, startedAtMs } = this.#start;
    return {
      id: this.id,
      workflow: workflow.compiled.name,
      version: workflow.version,
      status,
      durability,
      trigger,
      startedAtMs,
      durationMs: httpStatus === null ? null : performance.now() - receivedMs,
      httpStatus,
      errorJson: failure === null ? null : failure.json,
    };
  }

  // ---- time -----------------------------------------------------------------------------------------------------------------------

  /** Called every few tens of milliseconds. */
  tick(nowMs: number): void {
    if (this.#phase === 'over') return;
    if (nowMs > this.#start.deadlineMs) {
      if (this.#phase !== 'committing') this.#timeOut('timeout');
      // The end is on its way to a store that does not answer: the client is told what is known, the write goes on.
      else if (nowMs > this.#start.deadlineMs + commitGraceMs) this.#answerUnknown();
      return;
    }
    if (this.#postponed.length > 0 && this.#host.incarnation?.mayAct === true) {
      for (const effect of this.#postponed.splice(0)) this.#leave(effect);
    }
    if (this.#phase !== 'running') return;
    if (this.#dispatchAtMs !== 0 && nowMs >= this.#dispatchAtMs) this.#dispatch(this.#care);
    if (this.#hasRow && this.#unwrittenSinceMs !== 0 && nowMs - this.#unwrittenSinceMs > writeAfterMs) this.#write();
  }

  /** The client is gone. A durable execution goes on; the others end at the next segment boundary. */
  clientLeft(): void {
    this.#onAnswer = null;
    this.#clientLeft = true;
  }

  #answerUnknown(): void {
    const error = new NflowError('store_unavailable', 'the database has not confirmed the execution', {
      got: 'outcome unknown',
      remedy: `look for execution ${this.id} before repeating the request`,
    });
    this.#answer({ executionId: this.id, status: error.status, headers: null, body: null, error });
  }

  #ensureJournal(): Journal {
    this.#journal ??= new Journal();
    return this.#journal;
  }
}

const cancelled: EffectResult = {
  ok: false,
  json: JSON.stringify({
    code: 'effect_failed',
    message: 'the program took the call back before it left',
    reason: 'aborted',
    retryable: false,
  }),
};

function secretClaimsOf({ workflow, seed }: ExecutionStart): SecretClaims {
  const { secrets } = workflow.compiled.uses.resources;
  return { seed, declared: secrets === undefined ? [] : secrets };
}

/** Reads how it is to be performed. Null, or its result when that cannot be. */
function optionsProblem(effect: JournalEffect): EffectResult | null {
  if (effect.optionsJson === null) return null;
  try {
    effect.options = parseEffectOptions(effect.optionsJson);
    return null;
  } catch (error) {
    const message = `${effect.kind}: ${error instanceof Error ? error.message : 'its options cannot be read'}`;
    const described = { code: 'effect_failed', message, reason: 'invalid_request', retryable: false };
    return { ok: false, json: JSON.stringify(described) };
  }
}

function toUs(ms: number): number {
  return ms <= 0 ? 0 : Math.round(ms * 1000);
}
