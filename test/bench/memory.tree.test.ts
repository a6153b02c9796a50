import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { proportionalMemoryMiB } from '../../src/bench/memory.ts';

/** Starts a child that starts another one, which holds 64 MiB; tells when it does. */
const parentScript = `
  const { spawn } = require('node:child_process');
  const holder = "const held = Buffer.alloc(64 * 2 ** 20, 1); console.log('held ' + held.length); setInterval(() => {}, 1000)";
  const child = spawn(process.execPath, ['-e', holder, 'memory-holder'], { stdio: ['pipe', 'inherit', 'inherit'] });
  process.on('SIGTERM', () => { child.kill(); process.exit(0); });
  setInterval(() => {}, 1000);
`;

test('the memory of a tree holds that of its grandchildren, and only of those that are asked for', {
  skip: process.platform === 'linux' ? false : 'only Linux tells the memory of other processes',
}, async (t) => {
  const parent = spawn(process.execPath, ['-e', parentScript], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => parent.kill('SIGTERM'));
  await once(parent.stdout, 'data');
  const all = proportionalMemoryMiB(parent.pid as number, /./) ?? 0;
  const holder = proportionalMemoryMiB(parent.pid as number, /memory-holder$|memory-holder /) ?? 0;
  assert.ok(holder > 64 && holder < 200, `the holder: ${holder} MiB`);
  assert.ok(all > holder, `all: ${all} MiB, the holder: ${holder} MiB`);
  assert.equal(proportionalMemoryMiB(parent.pid as number, /no such command/), null);
});
