import type { GuestLimits } from '../protocol/program.ts';
import { installClock } from './clock.ts';
import { installErrors } from './errors.ts';
import { hardenRealm } from './harden.ts';
import { createInspect } from './inspect.ts';
import { createKernel } from './kernel.ts';
import { createRandomSource } from './random.ts';

/** Frames of a stack. V8's own default, 10, often ends before the author's code. */
const stackTraceLimit = 20;

/**
 * The script that makes a kernel when it is evaluated in a fresh context; its value is the kernel. The parts travel as the source
 * text of their functions, so they are type-checked here and need no build step.
 */
export function kernelSource(limits: GuestLimits): string {
  return `(function () {
'use strict';
(${installErrors})(${stackTraceLimit});
const parts = {
createInspect: ${createInspect},
createRandomSource: ${createRandomSource},
installClock: ${installClock},
hardenRealm: ${hardenRealm},
};
return (${createKernel})(parts, ${JSON.stringify(limits)});
})()`;
}
