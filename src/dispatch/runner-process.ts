import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { packDelivery, packStart } from '../protocol/crossing.ts';
import { type Frame, FrameReader, FrameWriter, frameType, startFlag } from '../protocol/frames.ts';
import { type RunnerSettings, runnerAnnounceFd, runnerSocketFd } from '../protocol/runner-settings.ts';
import { Announcement } from './announcement.ts';
import type { ProgramRef, RunListener, RunStart } from './port.ts';

/** A run as the gateway knows it while it is dispatched to a runner. */
export interface DispatchedRun {
  token: number;
  start: RunStart;
  listener: RunListener;
  runner: RunnerProcess;
  /** Frames sent for it that were not answered yet. */
  unanswered: number;
}

export interface RunnerEvents {
  onFrame(runner: RunnerProcess, frame: Frame): void;
  /** After the last frame has been handed out. */
  onExit(runner: RunnerProcess, how: string): void;
}

/** Why the gateway killed a runner: what its announced run ends with. */
export type KillReason = 'timeout' | 'max_execution_seconds' | 'memory' | 'stuck' | 'dropped' | 'protocol' | 'closing';

const entryPoint = fileURLToPath(
  new URL(`../runner/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);

/**
 * When frames leave for a runner: at the end of the turn of the event loop, and sooner when some have gathered while the runner has
 * nothing to do, so that both work at once; but not in ever smaller writes while it is busy, since each write wakes it and costs as
 * much as a third of a request. A runner that is busy collects its work here, not in its socket.
 */
const writesOnTheWayMax = 4;
const idleFlushBytes = 1500;
const busyFlushBytes = 8000;
/** Smoothing of the learned time of a segment. */
const learningRate = 0.1;

/**
 * One runner as a child process: starts it, writes frames to it a turn of the event loop at a time, hands out its frames.
 *
 *   starting → (ready frame) ready → (kill, death or close) exited
 *
 * Frames written while it starts wait in the socket.
 */
export class RunnerProcess {
  readonly quarantine: boolean;
  readonly announcement = new Announcement();
  readonly runs = new Map<number, DispatchedRun>();
  readonly pid: number;
  readonly startedMs = performance.now();
  isReady = false;
  hasExited = false;
  killReason: KillReason | null = null;
  /** First line that it wrote on stderr, for the log. */
  lastWords = '';
  /** Start and deliver frames that were not answered yet. */
  unanswered = 0;
  /** Learned mean of a segment, ms. */
  segmentMs = 0.05;
  /** The watchdog's memory of the segment being executed. */
  readonly watch = { token: 0, sinceMs: 0, sinceCpuMs: 0 };
  readonly pool = { size: 0, inUse: 0, createdTotal: 0 };
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #writer = new FrameWriter();
  readonly #programs = new Set<number>();
  #flushScheduled = false;
  #writesOnTheWay = 0;
  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.hasExited || this.#writer.pendingBytes === 0 || this.#writesOnTheWay >= writesOnTheWayMax) return;
    this.#writesOnTheWay++;
    this.#writer.write(frameType.mark, 0, 0, 0, 0, 0, []);
    this.#socket.write(this.#writer.take());
  };

  constructor(settings: RunnerSettings, quarantine: boolean, events: RunnerEvents) {
    this.quarantine = quarantine;
    const stdio: ('ignore' | 'inherit' | 'pipe' | number)[] = ['ignore', 'ignore', 'pipe'];
    stdio[runnerSocketFd] = 'pipe';
    stdio[runnerAnnounceFd] = this.announcement.fd;
    this.#child = spawn(process.execPath, ['--no-node-snapshot', '--disable-warning=ExperimentalWarning', entryPoint], {
      stdio,
      cwd: '/',
      // No variable of ours reaches a process that runs strangers' code; the guest's time zone is UTC.
      env: { TZ: 'UTC' },
    });
    this.pid = this.#child.pid ?? 0;
    this.#socket = this.#child.stdio[runnerSocketFd] as Socket;
    const reader = new FrameReader();
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, (frame) => events.onFrame(this, frame));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.kill('protocol');
      }
    });
    // V8 says why it gave up on stderr, with a native stack: the first line that says something is enough.
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.lastWords ||=
        text
          .split('\n')
          .find((line) => /[a-z]{4}/i.test(line))
          ?.replace(/^[#\s]+/, '') ?? '';
    });
    // A runner that is gone closes the socket while frames are written to it: `close` below tells the rest.
    this.#socket.on('error', () => {});
    this.#child.on('error', () => {});
    this.#child.on('close', (code, signal) => {
      this.hasExited = true;
      events.onExit(this, signal ?? `exit code ${code}`);
      this.announcement.close();
    });
    this.#write(frameType.configure, 0, 0, 0, 0, 0, [JSON.stringify(settings)]);
  }

  /** Milliseconds that a new segment would wait, by what was learned. */
  get predictedWaitMs(): number {
    return this.unanswered * this.segmentMs;
  }

  start(run: DispatchedRun, nowMs: number): void {
    const { start, token } = run;
    this.#ensureProgram(start.program);
    this.runs.set(token, run);
    const { version, timeMs, executionId, seed, inputJson, body } = start;
    const resumeJson = start.resume === null ? '' : JSON.stringify(start.resume);
    const packed = packStart(token, version, timeMs, executionId, seed, inputJson, resumeJson, body !== null);
    const remainingMs = Math.max(1, Math.min(start.deadlineMs - nowMs, 0x7fffffff));
    this.#count(run);
    const flags = start.care === 'careful' ? startFlag.careful : 0;
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

  deliver(run: DispatchedRun, stepPath: string, seq: number, ok: boolean, json: string, timeMs: number): void {
    this.#count(run);
    this.#write(frameType.deliver, 0, run.token, 0, 0, 0, [packDelivery(run.token, seq, ok, timeMs, stepPath, json)]);
  }

  drop(run: DispatchedRun): void {
    if (!this.runs.delete(run.token)) return;
    this.unanswered -= run.unanswered;
    run.unanswered = 0;
    if (!this.hasExited) this.#write(frameType.drop, 0, run.token, 0, 0, 0, []);
  }

  /** Books the answer to a start or deliver frame. */
  answered(run: DispatchedRun, durationMs: number): void {
    if (run.unanswered > 0) {
      run.unanswered--;
      this.unanswered--;
    }
    this.segmentMs += (durationMs - this.segmentMs) * learningRate;
  }

  /** The runner has come to the end of a write. */
  onMark(): void {
    this.#writesOnTheWay--;
    if (this.#writer.pendingBytes > 0) this.#scheduleFlush();
  }

  forgetProgram(programId: number): void {
    if (this.#programs.delete(programId)) this.#write(frameType.program, 1, 0, programId, 0, 0, []);
  }

  kill(reason: KillReason): void {
    if (this.hasExited || this.killReason !== null) return;
    this.killReason = reason;
    this.#child.kill('SIGKILL');
  }

  /** Lets it end by itself. */
  close(): void {
    this.killReason ??= 'closing';
    this.#socket.end();
  }

  #count(run: DispatchedRun): void {
    run.unanswered++;
    this.unanswered++;
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
