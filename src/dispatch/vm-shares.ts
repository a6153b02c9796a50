/** What a runner is for, and so how much of the pool is its. */
export type RunnerRole = 'fast' | 'slow' | 'spare';

/** Light workflows are many, heavy ones few; a spare keeps some VMs warm and takes over a fast runner's share when it takes its place. */
const weights: Readonly<Record<RunnerRole, number>> = { fast: 4, slow: 1, spare: 1 };

export interface VmShare {
  maxSize: number;
  preloadSize: number;
}

/** Divides `max_size` and `preload_size` of the server over its runners. Each has one VM at least, or it could do nothing. */
export function divideVms(
  roles: readonly RunnerRole[],
  { maxSize, preloadSize }: VmShare,
): Readonly<Record<RunnerRole, VmShare>> {
  let total = 0;
  for (const role of roles) total += weights[role];
  const share = (role: RunnerRole): VmShare => {
    const part = weights[role] / Math.max(total, weights[role]);
    const most = Math.max(1, Math.floor(maxSize * part));
    return { maxSize: most, preloadSize: Math.min(most, Math.ceil(preloadSize * part)) };
  };
  return { fast: share('fast'), slow: share('slow'), spare: share('spare') };
}
