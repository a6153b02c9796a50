import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission } from '../../src/server/admission.ts';
import { connectionsMax } from '../../src/server/open-files.ts';

test('bytes held elsewhere count against the same limit', () => {
  let elsewhere = 0;
  const admission = new Admission(100, () => elsewhere);
  assert.equal(admission.reserve(60), true);
  elsewhere = 30;
  assert.equal(admission.reserve(11), false);
  assert.equal(admission.bytes, 60, 'a refusal takes nothing');
  assert.equal(admission.reserve(10), true);
  admission.add(50);
  admission.release(120);
  assert.equal(admission.bytes, 0);
});

test('connections leave open files for the rest of the server', () => {
  assert.equal(
    connectionsMax('Limit  Soft  Hard\nMax open files            1024                 4096                 files\n'),
    768,
  );
  assert.equal(connectionsMax('Max open files            200                 200                 files\n'), 72);
  assert.equal(connectionsMax('Max open files            64                 64                 files\n'), 16);
  assert.equal(connectionsMax('Max open files            unlimited            unlimited            files\n'), Infinity);
  assert.equal(connectionsMax(null), Infinity);
});
