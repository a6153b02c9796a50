import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, Guest, programOf } from '../support/vm.ts';

const wait = (guest: Guest, input: unknown) => {
  const answer = guest.start({ input });
  assert.equal(answer.kind, 'waits');
  guest.vm.runs.add(answer.run);
  return answer.run;
};

test('with isolation fresh a run has a realm of its own, from its start to its end', () => {
  const source = `
    const url = new URL(input.path, 'http://h/');
    if (input.waits) await ctx.sleep(1);
    return [url.href, typeof globalThis.leak, globalThis.leak = 1];`;
  using guest = new Guest(programOf([codeNode('only', source)], {}, 'fresh'));
  assert.equal(guest.loadError, '');
  for (let n = 0; n < 3; n++) {
    assert.equal(guest.vm.takesRun, true);
    const ended = guest.start({ input: { path: `/${n}` } });
    assert.deepEqual(ended.kind === 'ended' && ended.output, [`http://h/${n}`, 'undefined', 1]);
    const run = wait(guest, { path: '/w', waits: true });
    assert.equal(guest.vm.takesRun, false, 'its VM takes no other run while it waits');
    const end = guest.deliver(run, 'only', 1, 'null');
    assert.deepEqual(end.kind === 'ended' && end.output, ['http://h/w', 'undefined', 1]);
    guest.vm.runs.delete(run);
  }
  const dropped = wait(guest, { path: '/d', waits: true });
  guest.vm.drop(dropped);
  assert.equal(guest.vm.takesRun, true);
});

test('an error of compilation is told when the program is bound, and an error of a run ends that run only', () => {
  using broken = new Guest(programOf([codeNode('only', 'return 1 +;')], {}, 'fresh'));
  assert.match(broken.loadError, /SyntaxError/);
  using guest = new Guest(
    programOf([codeNode('only', 'if (input.bad) throw new Error("bad"); return 1;')], {}, 'fresh'),
  );
  for (const bad of [true, false, true, false])
    assert.equal(guest.start({ input: { bad } }).kind, bad ? 'failed' : 'ended');
});

test('realms that are over take no memory', () => {
  using guest = new Guest(
    programOf([codeNode('only', 'return new Array(20000).fill(input.n).length;')], {}, 'fresh'),
    64,
  );
  // Each is over a megabyte: without being given back, they would be four times what the VM may have.
  for (let n = 0; n < 250; n++) assert.equal(guest.start({ input: { n } }).kind, 'ended');
  assert.ok(guest.vm.memoryShare() < 1);
});
