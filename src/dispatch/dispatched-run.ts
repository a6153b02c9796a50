import type { Lane } from './lane.ts';
import type { RunListener, RunStart } from './port.ts';
import type { RunnerProcess } from './runner-process.ts';
import type { WorkflowProfile } from './workflow-profile.ts';

/**
 *   queued    waits to be sent to a runner of its lane
 *   sent      a runner has it: it executes a segment, or waits for a result
 *   evicted   no runner has it any more; when a result for it comes, its listener is told, and dispatches it again
 *   over      ended, lost or dropped: nothing more is called
 */
export type RunState = 'queued' | 'sent' | 'evicted' | 'over';

/** A run as the dispatcher knows it from its dispatch to its end. The token is never used again, so it is also the generation. */
export class DispatchedRun {
  readonly token: number;
  readonly start: RunStart;
  readonly listener: RunListener;
  readonly profile: WorkflowProfile;
  /** Bytes of its input. */
  readonly size: number;
  state: RunState = 'queued';
  lane: Lane;
  runner: RunnerProcess | null = null;
  /** Segments sent and not answered, and their estimated CPU. */
  unanswered = 0;
  openMs = 0;
  /** Results that wait to be sent to its runner. */
  queuedDeliveries = 0;
  /** Evicted, and its listener is about to be told. */
  isComingBack = false;
  /** Its first segment has been answered. */
  hasStarted = false;
  /** CPU of the segment whose answer follows, where its runner measured it; else -1. */
  segmentCpuMs = -1;
  /** Waited for its first segment to be sent. */
  queuedMs = 0;

  constructor(token: number, start: RunStart, listener: RunListener, profile: WorkflowProfile, lane: Lane) {
    this.token = token;
    this.start = start;
    this.listener = listener;
    this.profile = profile;
    this.lane = lane;
    this.size = start.inputJson.length + (start.body === null ? 0 : start.body.length);
  }
}
