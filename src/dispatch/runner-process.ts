import type { Socket } from 'node:net';
import { packDelivery, packStart } from '../protocol/crossing.ts';
import { deliverFlag, type Frame, FrameReader, FrameWriter, frameType, startFlag } from '../protocol/frames.ts';
import type { RunnerSettings } from '../protocol/runner-settings.ts';
import { Announcement } from './announcement.ts';
import type { DispatchedRun } from './dispatched-run.ts';
import type { IsolatedProcess } from './isolation/isolated-process.ts';
import type { RunnerLauncher } from './isolation/runner-launcher.ts';
import type { Lane } from './lane.ts';
import { LastWords } from './last-words.ts';
import type { ProgramRef } from './port.ts';
import { type Delivery, WorkQueue } from './work-queue.ts';

export interface RunnerEvents {
  onFrame(runner: RunnerProcess, frame: Frame): void;
  /** All frames that had arrived have been handed out. */
  onRead(runner: RunnerProcess): void;
  /** After the last frame has been handed out. */
  onExit(runner: RunnerProcess, how: string): void;
}

/** Why the gateway killed a runner: what its announced run ends with. */
export type KillReason = 'timeout' | 'max_execution_seconds' | 'memory' | 'stuck' | 'dropped' | 'protocol' | 'closing';

/**
 * When frames leave for a runner: at the end of the turn of the event loop, and sooner when some have gathered while the runner has
 * nothing to do, so that both work at once; but not in ever smaller writes while it is busy, since each write wakes it and costs as
 * much as a third of a request. A runner that is busy collects its work here, not in its socket.
 */
const writesOnTheWayMax = 4;
const idleFlushBytes = 1500;
const busyFlushBytes = 8000;
/** CPU that one workflow may use in its turn, of the results that wait for a runner. */
const deliveriesQuantumMs = 1;

/**
 * One runner as a child process: starts it, writes frames to it a turn of the event loop at a time, hands out its frames.
 *
 *   starting → (ready frame) ready → (kill, death or close) exited
 *
 * Frames written while it starts wait in the socket.
 */
export class RunnerProcess {
  readonly quarantine: boolean;
  /** Where it works; null while it starts, stands by or goes. */
  lane: Lane | null = null;
  readonly announcement = new Announcement();
  readonly runs = new Map<number, DispatchedRun>();
  readonly startedMs = performance.now();
  /** When something came from it last. */
  lastFrameMs = 0;
  isReady = false;
  hasExited = false;
  killReason: KillReason | null = null;
  /** Start and deliver frames that were not answered yet. */
  unanswered = 0;
  /** Their estimated CPU. */
  openMs = 0;
  /** How much of that it may have, and when it was given some last. */
  roomMs = 2;
  filledMs = 0;
  /** What it has worked since, by its own account. */
  busyMs = 0;
  /** Results that wait until it has room. */
  readonly deliveries = new WorkQueue(deliveriesQuantumMs);
  /** CPU that results had more than first segments, while both waited. */
  turnMs = 0;
  /** It executes a segment that is over the fast budget: nothing is put behind it. */
  isHeld = false;
  /** The lane watch's memory of the segment being executed. */
  readonly pace = { token: 0, cpuMs: 0 };
  /** The watchdog's memory of the segment being executed. */
  readonly watch = { token: 0, sinceMs: 0, sinceCpuMs: 0, sinceResidentMiB: 0 };
  readonly pool = { size: 0, inUse: 0, createdTotal: 0 };
  readonly #process: IsolatedProcess;
  readonly #lastWords = new LastWords();
  readonly #socket: Socket;
  readonly #writer = new FrameWriter();
  readonly #programs = new Set<number>();
  #flushScheduled = false;
  #writesOnTheWay = 0;
  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.hasExited || this.#socket.writableEnded) return;
    if (this.#writer.pendingBytes === 0 || this.#writesOnTheWay >= writesOnTheWayMax) return;
    this.#writesOnTheWay++;
    this.#writer.write(frameType.mark, 0, 0, 0, 0, 0, []);
    this.#socket.write(this.#writer.take());
  };

  constructor(launcher: RunnerLauncher, settings: RunnerSettings, quarantine: boolean, events: RunnerEvents) {
    this.quarantine = quarantine;
    try {
      this.#process = launcher.launch(this.announcement.fd);
    } catch (error) {
      this.announcement.close();
      throw error;
    }
    const { child, socket } = this.#process;
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      this.lastFrameMs = performance.now();
      try {
        reader.push(chunk, (frame) => events.onFrame(this, frame));
        events.onRead(this);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.kill('protocol');
      }
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords.push(text);
      // It is dead already, and only takes long to say so. Nobody else gave a reason, so this is none of ours.
      if (this.#lastWords.isFatal) this.#process.kill();
    });
    // A runner that is gone closes the socket while frames are written to it: `close` below tells the rest.
    socket.on('error', () => {});
    child.on('error', () => {});
    child.on('close', (code, signal) => {
      this.hasExited = true;
      events.onExit(this, signal ?? `exit code ${code}`);
      this.announcement.close();
    });
    this.#write(frameType.configure, 0, 0, 0, 0, 0, [JSON.stringify(settings)]);
  }

  /** What V8 said when it gave up, for the log; else empty. */
  get lastWords(): string {
    return this.#lastWords.text;
  }

  /** Of the process that executes segments. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether it was sent the program. */
  knows(programId: number): boolean {
    return this.#programs.has(programId);
  }

  start(run: DispatchedRun, costMs: number, nowMs: number): void {
    const { start, token } = run;
    this.#ensureProgram(start.program);
    run.state = 'sent';
    run.runner = this;
    this.runs.set(token, run);
    const { version, timeMs, executionId, seed, inputJson, body } = start;
    const resumeJson = start.resume === null ? '' : JSON.stringify(start.resume);
    const packed = packStart(token, version, timeMs, executionId, seed, inputJson, resumeJson, body !== null);
    const remainingMs = Math.max(1, Math.min(start.deadlineMs - nowMs, 0x7fffffff));
    this.#count(run, costMs);
    const flags =
      (start.care === 'careful' ? startFlag.careful : 0) | (start.isReturning === true ? startFlag.returning : 0);
    this.#write(
      frameType.start,
      flags,
      token,
      start.program.id,
      remainingMs,
      0,
      body === null ? [packed] : [packed, body],
    );
  }

  deliver(run: DispatchedRun, { stepPath, seq, ok, json, timeMs, isReplay }: Delivery, costMs: number): void {
    this.#count(run, costMs);
    const flags = isReplay ? deliverFlag.replay : 0;
    this.#write(frameType.deliver, flags, run.token, 0, 0, 0, [
      packDelivery(run.token, seq, ok, timeMs, stepPath, json),
    ]);
  }

  /** Tells it to forget the run. */
  drop(run: DispatchedRun): void {
    if (this.release(run) && !this.hasExited) this.#write(frameType.drop, 0, run.token, 0, 0, 0, []);
  }

  /** The run is none of its runs any more; false when it was not. */
  release(run: DispatchedRun): boolean {
    if (!this.runs.delete(run.token)) return false;
    this.unanswered -= run.unanswered;
    this.openMs = this.unanswered === 0 ? 0 : this.openMs - run.openMs;
    run.lane.uncount(run, run.unanswered + run.queuedDeliveries);
    run.unanswered = 0;
    run.openMs = 0;
    run.queuedDeliveries = 0;
    return true;
  }

  /** Books the answer to a start or deliver frame. */
  answered(run: DispatchedRun): void {
    this.isHeld = false;
    if (run.unanswered === 0) return;
    const costMs = run.openMs / run.unanswered;
    run.openMs -= costMs;
    run.unanswered--;
    this.unanswered--;
    this.openMs = this.unanswered === 0 ? 0 : this.openMs - costMs;
    run.lane.uncount(run, 1);
  }

  /** How many VMs it may have, and how many of them ready without a workflow. */
  resize(maxSize: number, preloadSize: number): void {
    if (!this.hasExited) this.#write(frameType.resize, 0, 0, maxSize, preloadSize, 0, []);
  }

  /** The runner has come to the end of a write. */
  onMark(): void {
    this.#writesOnTheWay--;
    if (this.#writer.pendingBytes > 0) this.#scheduleFlush();
  }

  forgetProgram(programId: number): void {
    if (this.#programs.delete(programId)) this.#write(frameType.program, 1, 0, programId, 0, 0, []);
  }

  /** Asks it to give up a VM: all of them together take too much memory. */
  relieve(): void {
    if (!this.hasExited) this.#write(frameType.relieve, 0, 0, 0, 0, 0, []);
  }

  /** At once, also one that was asked to end and does not hear it. */
  kill(reason: KillReason): void {
    if (this.hasExited || (this.killReason !== null && this.killReason !== 'closing')) return;
    this.killReason = reason;
    this.#process.kill();
  }

  /** Lets it end by itself, which one that is stuck does not: whoever calls this goes on watching it. */
  close(): void {
    this.killReason ??= 'closing';
    this.#socket.end();
  }

  #count(run: DispatchedRun, costMs: number): void {
    run.unanswered++;
    run.openMs += costMs;
    this.unanswered++;
    this.openMs += costMs;
  }

  #ensureProgram(program: ProgramRef): void {
    if (this.#programs.has(program.id)) return;
    this.#programs.add(program.id);
    this.#write(frameType.program, 0, 0, program.id, 0, 0, [program.text]);
  }

  #write(
    type: number,
    flags: number,
    run: number,
    a: number,
    b: number,
    timeMs: number,
    parts: (string | Uint8Array)[],
  ): void {
    this.#writer.write(type, flags, run, a, b, timeMs, parts);
    const enough = this.#writesOnTheWay === 0 ? idleFlushBytes : busyFlushBytes;
    if (this.#writer.pendingBytes >= enough && this.#writesOnTheWay < writesOnTheWayMax) this.#flush();
    else this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#writesOnTheWay >= writesOnTheWayMax) return;
    this.#flushScheduled = true;
    setImmediate(this.#flush);
  }
}
