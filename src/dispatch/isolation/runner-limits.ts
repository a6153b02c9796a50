import { availableParallelism, release } from 'node:os';
import { hasNamespaces, type IsolationPlan, type RunnerLimits } from './plan.ts';

/** Its socket, the announcement file, the standard three, and what Node and libuv keep. */
const openFiles = 64;
/** Node and V8 have about a dozen; isolated-vm has one for each core, and one for each timer that runs. */
const threadsBase = 64;
const fileBytes = 4096;

export function runnerLimits(plan: IsolationPlan): RunnerLimits {
  // Where others of the same user count, the limit would strike a runner for what they do.
  const isCountedAlone = plan.ownUser || (plan.userNamespace && hasNamespaces(plan) && countsThreadsByNamespace());
  return {
    openFiles,
    threads: isCountedAlone ? threadsBase + 4 * availableParallelism() : null,
    fileBytes,
  };
}

/** From 5.14 on the kernel counts the threads of a user namespace apart. */
function countsThreadsByNamespace(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}
