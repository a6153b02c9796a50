import { lossReason } from '../protocol/frames.ts';
import type { DispatchedRun } from './dispatched-run.ts';
import type { RunLoss } from './port.ts';
import type { KillReason, RunnerProcess } from './runner-process.ts';

/** What a runner's own reason to give a run up means. */
export function lossOf(reason: number): RunLoss {
  switch (reason) {
    case lossReason.timedOut:
      return { kind: 'timed_out', limit: 'timeout' };
    case lossReason.cpuLimit:
      return { kind: 'timed_out', limit: 'max_execution_seconds' };
    case lossReason.memory:
      return { kind: 'crashed', reason: 'it used more memory than [vm_pool] max_memory_mb allows' };
    case lossReason.poolExhausted:
      return { kind: 'pool_exhausted' };
    case lossReason.interrupted:
      return { kind: 'interrupted' };
    default:
      return { kind: 'lost' };
  }
}

/** What a run ends with when its runner died, by who killed it and whether it was the one being executed. */
export function lossAtDeath(run: DispatchedRun, runner: RunnerProcess, announced: number): RunLoss {
  if (runner.quarantine && runner.killReason === null) {
    return { kind: 'crashed', reason: 'it ended the process that runs VMs, twice; the second time alone in it' };
  }
  // A negative announcement names no run: any that was on its way may have been the one.
  if (announced < 0 && run.unanswered > 0 && runner.killReason !== 'closing')
    return { kind: 'suspect', care: 'careful' };
  if (run.token !== announced) return { kind: 'lost' };
  const reason: KillReason | null = runner.killReason;
  switch (reason) {
    case 'timeout':
    case 'max_execution_seconds':
      return { kind: 'timed_out', limit: reason };
    case 'memory':
      return { kind: 'crashed', reason: 'it used more memory outside its VM than a runner may' };
    case 'closing':
      return { kind: 'lost' };
    default:
      return { kind: 'suspect', care: 'quarantine' };
  }
}
