import type { GuestLimits } from '../protocol/program.ts';
import { installClock } from './clock.ts';
import { hardenRealm } from './harden.ts';
import { createKernel } from './kernel.ts';
import { createRandomSource } from './random.ts';

/**
 * The script that makes a kernel when it is evaluated in a fresh context; its value is the kernel. The parts travel as the source
 * text of their functions, so they are type-checked here and need no build step.
 */
export function kernelSource(limits: GuestLimits): string {
  return `(function () {
'use strict';
const parts = {
createRandomSource: ${createRandomSource},
installClock: ${installClock},
hardenRealm: ${hardenRealm},
};
return (${createKernel})(parts, ${JSON.stringify(limits)});
})()`;
}
