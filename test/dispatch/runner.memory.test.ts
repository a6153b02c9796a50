import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResidentMiB } from '../../src/dispatch/process-usage.ts';
import { createEngine } from '../../src/engine/engine.ts';
import type { Answer } from '../../src/engine/port.ts';
import type { Program } from '../../src/protocol/program.ts';
import { activate, OrderedEffects, startTestDispatcher } from '../support/execution-harness.ts';

/** Memory outside of the heap, which the isolate's own limit does not see. */
const bomb =
  'const all = []; for (;;) { const b = new ArrayBuffer(0, { maxByteLength: 2 ** 26 }); b.resize(2 ** 26); new Uint8Array(b).fill(1); all.push(b); }';

test('buffers that a VM of 64 MiB piles up end their run long before they fill the machine', {
  timeout: 60_000,
  skip: process.platform === 'linux' ? false : 'the resident memory of a process is read from /proc',
}, async () => {
  const dispatcher = await startTestDispatcher({ maxMemoryMiB: 64 });
  const engine = createEngine({
    dispatcher,
    effects: new OrderedEffects(),
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    findVersion: async () => null,
    log: { warn: () => {} },
  });
  let peakMiB = 0;
  const sampling = setInterval(() => {
    for (const pid of dispatcher.pids) peakMiB = Math.max(peakMiB, readResidentMiB(pid) ?? 0);
  }, 2);
  try {
    const code = { source: bomb, file: null, async: true, uses: ['input' as const] };
    const program: Program = {
      workflow: 'bomb',
      start: 'only',
      varsJson: '{}',
      webGlobals: [],
      effectParts: [],
      isolation: 'shared',
      nodes: [{ name: 'only', type: 'code', next: null, code }],
    };
    const workflow = activate(program, { durability: 'ephemeral', timeoutMs: 30_000 });
    const answer = await new Promise<Answer>((resolve) => {
      const receivedMs = performance.now();
      engine.execute({ workflow, trigger: 'manual', inputJson: '{}', body: null, receivedMs }, resolve);
    });
    assert.ok(['run_crashed', 'node_failed'].includes(answer.error?.code ?? ''), answer.error?.message ?? 'no error');
    // Twice the VM's limit and 256 MiB on top of Node, and what is filled between two looks.
    assert.ok(peakMiB > 0 && peakMiB < 1280, `${Math.round(peakMiB)} MiB at the most`);
  } finally {
    clearInterval(sampling);
    engine.close();
    await dispatcher.close();
  }
});
