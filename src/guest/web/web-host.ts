/**
 * What the kernel lends to the parts of the web platform. Each part is a function `(host, scope)` that is evaluated inside the
 * isolate from its source text: it may use nothing from outside its own body but its two parameters. It keeps no state of its own,
 * since every run of a VM shares it; what it returns is frozen.
 */
export interface WebHost {
  /** The segment's time, ms since the epoch. */
  nowMs(): number;
  /** Time at which the current step began. */
  stepStartMs(): number;
  /** An unsigned 32-bit integer of the current step's random numbers. Throws outside of a step. */
  randomWord(): number;
  uuid(): string;
  /**
   * Calls back later, when the current step is still open then. Returns a number above 0 that is unique in the step; 0 when there is
   * no step any more. Throws past the limits.
   */
  setTimer(
    callback: (...values: unknown[]) => unknown,
    delayMs: number,
    values: unknown[],
    isRepeated: boolean,
  ): number;
  clearTimer(id: unknown): void;
  /** An error that no caller can catch ends the step. */
  fail(error: unknown): void;
  /** Issues the effect `http`, whatever its answer's status. */
  request(call: HostRequest): HostExchange;
  /** What the current step's code has put on `globalThis`. Null when there is nothing and `create` is false, or no step any more. */
  stepGlobals(create: boolean): Map<PropertyKey, unknown> | null;
}

export interface HostRequest {
  method: string;
  url: string;
  headers: Record<string, string> | null;
  body: string | null;
  bodyKind: 'text' | 'base64' | null;
  redirect: 'follow' | 'manual';
}

export interface HostExchange {
  answer: Promise<HostAnswer>;
  /** Stops the call in the gateway; `answer` stays as it is. */
  cancel(): void;
}

export interface HostAnswer {
  status: number;
  headers: Record<string, string | string[]>;
  bodyKind: 'json' | 'text' | 'base64' | 'none';
  bodyText: string;
}

/** What a part brings: global names, and what only other parts may use. */
export interface WebPart {
  globals: Record<string, unknown>;
  shared?: Record<string, unknown>;
}
