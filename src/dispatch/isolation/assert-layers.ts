import { NflowError } from '../../errors.ts';
import { inspectIsolation } from './inspect.ts';
import type { LayerState } from './plan.ts';

/** @throws NflowError `invalid_config` naming each layer of `[runners] require` that is off, and why. */
export function assertRequiredLayers(required: readonly string[], states: readonly LayerState[]): void {
  const missing = states.filter(({ layer, on }) => !on && required.includes(layer));
  if (missing.length === 0) return;
  const names = missing.map(({ layer }) => layer).join(', ');
  throw new NflowError('invalid_config', `Runners cannot be isolated here as [runners] require asks: ${names}.`, {
    got: missing.map(({ layer, why }) => `${layer} is off: ${why}`).join('; '),
    expected: `these layers on: ${required.join(', ')}`,
    remedy: 'Make them possible on this machine (`nflow doctor` tells what each needs), or take them off the list.',
  });
}

/**
 * Compares what the kernel says of a running runner with what was planned.
 * @throws NflowError `internal_error` when a layer is missing.
 */
export function assertIsolated(pid: number, states: readonly LayerState[]): void {
  const seen = inspectIsolation(pid);
  if (seen === null) return;
  const missing = states.filter(({ layer, on }) => on && !seen.has(layer)).map(({ layer }) => layer);
  if (missing.length === 0) return;
  throw new NflowError(
    'internal_error',
    `The runner ${pid} is not isolated as it was started: ${missing.join(', ')}.`,
    {
      got: `seen of it: ${[...seen].join(', ') || 'nothing'}`,
      remedy: 'Report this with the output of `nflow doctor`; [runners] omit leaves a layer out.',
    },
  );
}
