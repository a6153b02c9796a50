import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, evaluate, Guest, programOf } from '../support/vm.ts';

function callsOf(source: string): { guest: Guest; run: number; given: unknown[] } {
  const guest = new Guest(programOf([codeNode('only', source)]));
  const waits = guest.start();
  assert.ok(waits.kind === 'waits', JSON.stringify(waits));
  return { guest, run: waits.run, given: waits.effects.map((effect) => JSON.parse(String(effect[4]))) };
}

test('ctx.sql issues calls with canonical arguments', () => {
  const { guest, given } = callsOf(`
    const main = ctx.sql();
    return Promise.all([
      main.query('SELECT $1', [1]),
      ctx.sql('other').query('A', undefined, { exactlyOnce: false, timeout: '2s' }),
      main.transaction([{ sql: 'A', params: [null] }, { sql: 'B' }]),
    ]);`);
  using _ = guest;
  assert.deepEqual(given, [
    { datasource: 'main', sql: 'SELECT $1', params: [1] },
    { datasource: 'other', sql: 'A', exactlyOnce: false },
    { datasource: 'main', statements: [{ sql: 'A', params: [null] }, { sql: 'B' }] },
  ]);
});

test('pages are read one effect after the other, until there is no cursor', () => {
  const { guest, run, given } = callsOf(`
    const seen = [];
    for await (const { rows } of ctx.sql('main').pages('TABLE a', [], { by: ['id'], size: 2 })) seen.push(...rows);
    return seen;`);
  using _ = guest;
  const page = { by: ['id'], size: 2, after: null };
  assert.deepEqual(given, [{ datasource: 'main', sql: 'TABLE a', params: [], readOnly: true, page }]);
  const more = guest.deliver(run, 'only', 1, '{"rows":[1,2],"rowCount":2,"nextCursor":"c"}');
  assert.ok(more.kind === 'waits');
  assert.deepEqual(JSON.parse(String(more.effects[0]?.[4])).page, { ...page, after: 'c' });
  const end = guest.deliver(run, 'only', 2, '{"rows":[3],"rowCount":1,"nextCursor":null}');
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, [1, 2, 3]);
});

test('leaving the loop ends it, and a datasource is a name', () => {
  const { guest, run } = callsOf(`
    for await (const page of ctx.sql().pages('TABLE a', [], { by: ['id'] })) return page.rowCount;`);
  using _ = guest;
  const end = guest.deliver(run, 'only', 1, '{"rows":[1],"rowCount":1,"nextCursor":"c"}');
  assert.ok(end.kind === 'ended');
  assert.equal(end.output, 1);
  const refused = 'try { ctx.sql(7); } catch (error) { return error.message; }';
  assert.equal(evaluate(refused), 'ctx.sql takes the name of a datasource; got 7');
});

test('a member leaves nothing behind and leads nowhere', () => {
  const source = `
    const main = ctx.sql();
    const pages = main.pages('A', [], { by: ['a'] });
    const found = [];
    for (const change of [
      () => { Object.getPrototypeOf(main).query = 1; },
      () => { Object.getPrototypeOf(pages).next = 1; },
      () => { Object.getPrototypeOf(pages).next.mine = 1; },
    ]) {
      try { change(); found.push('changed'); } catch { found.push('refused'); }
    }
    ctx.sql.mine = 1;
    return [...found, main.constructor === undefined, pages.constructor === undefined, ctx.sql.mine === undefined];`;
  assert.deepEqual(evaluate(source), ['refused', 'refused', 'refused', true, true, true]);
});
