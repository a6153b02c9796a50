import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { codeNode, Guest, programOf } from '../support/vm.ts';

/** Makes `visit(callback)`: every object that code can reach without being given one, each once, with how it is reached. */
const reachable = `
  const proto = Object.getPrototypeOf;
  const tagged = ((strings) => strings)\`template\`;
  const roots = {
    globalThis, ctx, tagged,
    asyncFunction: async () => {}, generator: function* () {}, asyncGenerator: async function* () {},
    generated: (function* () {})(), asyncGenerated: (async function* () {})(), arguments: (function () { return arguments; })(),
    arrayIterator: [].values(), mapIterator: new Map().keys(), setIterator: new Set().values(), stringIterator: ''[Symbol.iterator](),
    matches: 'a'.matchAll(/a/g), helper: [].values().map((x) => x), wrapped: Iterator.from({ next() { return { done: true }; } }),
    segments: new Intl.Segmenter().segment('a'), error: new Error('x'), params: new URLSearchParams('a=b').entries(), headers: new Headers({ a: 'b' }).entries(),
    url: new URL('http://a/'), blob: new Blob(['a']), form: new FormData(), signal: new AbortController().signal, event: new Event('a'),
    request: new Request('http://a/'), response: new Response('a'), decoder: new TextDecoder(), exception: new DOMException('a'),
    http: ctx.http, log: ctx.log, execution: ctx.execution, promise: Promise.resolve(),
  };
  /** Objects that this very run has made: they are nobody else's. */
  const own = new Set([roots, ...Object.values(roots), proto(roots.generated), proto(roots.asyncGenerated)]);
  own.delete(globalThis);
  const visit = (callback) => {
    const seen = new Set();
    const queue = Object.entries(roots);
    while (queue.length > 0) {
      const [path, value] = queue.pop();
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
      seen.add(value);
      if (!own.has(value)) callback(value, path);
      queue.push([path + '.__proto__', proto(value)]);
      for (const key of Reflect.ownKeys(value)) {
        const d = Object.getOwnPropertyDescriptor(value, key);
        // What hangs at an object of this run alone is this run's too.
        if (own.has(value)) for (const one of [d.value]) if (typeof one === 'object' && one !== null && one !== globalThis && Object.isExtensible(one)) own.add(one);
        queue.push([path + '.' + String(key), d.value], [path + '.get ' + String(key), d.get], [path + '.set ' + String(key), d.set]);
      }
    }
  };`;

/** One text of everything that can be seen: names, attributes and plain values of all objects, and state that is kept aside. */
const read = `
  const lines = [];
  visit((value, path) => {
    const keys = Reflect.ownKeys(value).map((key) => {
      const d = Object.getOwnPropertyDescriptor(value, key);
      const shown = typeof d.value === 'object' || typeof d.value === 'function' ? typeof d.value : String(d.value);
      return [String(key), d.writable, d.enumerable, d.configurable, shown, typeof d.get, typeof d.set].join();
    });
    lines.push([path, typeof value, Object.isExtensible(value), keys.sort().join(';')].join(' '));
  });
  const collections = [];
  visit((value) => { if (value instanceof Map || value instanceof Set) try { collections.push(value.size); } catch {} });
  const statics = ['$1', '$&', 'input', 'lastMatch', '$_'].map((name) => String(RegExp[name]));
  const open = [];
  visit((value, path) => { if (value !== globalThis && !Object.isFrozen(value)) open.push(path); });
  const kept = [open,typeof leak, typeof globalThis.leak, String(Error.stackTraceLimit), new Error('x').stack.split('\\\\n').length > 1, tagged.leak, tagged.raw.length,
    Symbol.keyFor(Symbol.for('leak')), JSON.stringify({ a: [1, 'x', null] }), String([1, 2]), String(new Date(0).getTime()), [3, 1, 2].sort().join(),
    typeof Function('return this')().leak, /b/g.lastIndex, new Intl.NumberFormat().format(1.5), new URL('/x', 'http://h').href, btoa('a'), await new Response('body').text(),
    structuredClone({ a: new Map([[1, 2]]) }).a.get(1), new TextDecoder().decode(new TextEncoder().encode('ü')), Object.keys(ctx).length, [...new Set([1])].length];
  return [lines.sort().join('\\n'), collections.join(), statics, kept];`;

const attacks: Record<string, string> = {
  'a global': 'globalThis.leak = 1;',
  'an undeclared name': 'leak = 1;',
  'a global by indirect eval': '(0, eval)("var leak = 1; function leaked() {}");',
  'a let by indirect eval': '(0, eval)("let leak = 1");',
  'a global by Function': 'Function("this.leak = 1; leak2 = 2")();',
  'the last match of RegExp': "/(secret)/.exec('secret'); 'secret'.replace(/(s)/, '$1');",
  'the limit of stacks': 'Error.stackTraceLimit = { leak: 1 };',
  'the hook for stacks': 'Error.prepareStackTrace = () => "leak";',
  'a captured stack': 'Error.captureStackTrace(ctx); Error.captureStackTrace(globalThis);',
  'a template object': 'tagged.leak = 1; tagged.raw.push("leak");',
  'the caller of a function': 'const f = Function("return arguments.callee"); f().leak = 1; f().caller.leak = 1;',
  'registered symbols': "globalThis[Symbol.for('leak')] = 1; Object(Symbol.for('leak')).leak = 1;",
  'replaced built-ins':
    'JSON.stringify = () => "pwned"; Promise.prototype.then = () => {}; Array.prototype.push = 1; Date.now = () => 1;',
  'replaced web globals':
    'fetch = 1; URL = 1; globalThis.crypto = {}; setTimeout = null; URL.prototype.toString = () => "pwned";',
  'the web prototypes':
    'for (const C of [URL, URLSearchParams, Headers, Request, Response, Blob, File, FormData, AbortSignal, Event, TextDecoder, DOMException]) { try { C.leak = 1; } catch {} try { C.prototype.leak = 1; } catch {} try { Object.setPrototypeOf(C.prototype, { leak: 1 }); } catch {} }',
  'listeners of shared objects':
    'for (const one of [AbortSignal.prototype, EventTarget.prototype]) try { one.addEventListener("a", () => {}); } catch {}',
  timers: 'setTimeout(() => { globalThis.leak = 1; }, 1); setInterval(() => {}, 1); setTimeout(() => {}, 100000);',
  'pending promises':
    'const never = new Promise(() => {}); never.then(() => {}); (async () => { await never; globalThis.leak = 1; })();',
  'micro-tasks that go on after the end':
    '(async () => { for (let i = 0; i < 1000; i++) await null; globalThis.leak = 1; console.log("late"); })();',
  rejections:
    'Promise.reject(new Error("nobody looks")); (async () => { throw { leak: 1 }; })(); Promise.reject(new Proxy({}, { get() { throw 1; } }));',
  'effects that are not awaited':
    'ctx.http.post("http://a/", 1).then(() => { globalThis.leak = 1; }); fetch("http://a/");',
  'private fields on shared objects': `
    class Stamp extends (function (object) { return object; }) { #leak = 1; static has(object) { return #leak in object; } }
    visit((value) => { try { new Stamp(value); } catch {} });`,
  'getters on what the kernel reads':
    'for (const key of ["then", "toJSON", "stack", "message"]) try { Object.defineProperty(Object.prototype, key, { get() { return "leak"; } }); } catch {}',
  'every way to change every object': `
    const evil = { leak: 1 };
    visit((value) => {
      for (const change of [
        () => { value.leak = 1; }, () => { value[Symbol.for('leak')] = 1; }, () => Object.defineProperty(value, 'leak', { value: 1 }), () => Object.setPrototypeOf(value, evil),
        () => { value.__proto__ = evil; }, () => Object.defineProperty(value, 'name', { value: 'leak' }), () => Array.prototype.push.call(value, 1), () => Map.prototype.set.call(value, 'leak', 1), () => Set.prototype.add.call(value, 'leak'),
        () => Uint8Array.prototype.fill.call(value, 7), () => Date.prototype.setTime.call(value, 7), () => RegExp.prototype.compile.call(value, 'leak'), () => value.__defineGetter__('leak', () => 1),
        () => Object.assign(value, evil), () => Reflect.set(value, 'leak', 1), () => { value.lastIndex = 5; },
      ]) try { change(); } catch {}
      for (const key of Reflect.ownKeys(value)) { try { delete value[key]; } catch {} try { value[key] = 'leak'; } catch {} try { Object.defineProperty(value, key, { get() { return 'leak'; } }); } catch {} }
    });`,
};

const source = `
  ${reachable}
  if (input.attack === null) { ${read} }
  const AsyncFunction = (async () => {}).constructor;
  try { await new AsyncFunction('ctx', 'visit', 'tagged', input.attack)(ctx, visit, tagged); } catch (error) { return ['threw', String(error && error.name)]; }
  return ['wrote'];`;

let guest: Guest;
let other: Guest;
let clean: unknown;
before(() => {
  guest = new Guest(programOf([codeNode('only', source)]), 128);
  other = new Guest(programOf([codeNode('only', source)]), 128);
  assert.equal(guest.loadError, '');
  clean = see(other);
});
after(() => {
  guest.vm.dispose();
  other.vm.dispose();
});

function see(one: Guest): unknown {
  const answer = one.start({ input: { attack: null } });
  assert.ok(answer.kind === 'ended', JSON.stringify(answer).slice(0, 2000));
  assert.deepEqual([answer.logs, answer.effects], [[], []]);
  return answer.output;
}

test('what is read covers the realm', () => {
  const [lines] = clean as [string];
  assert.ok(lines.split('\n').length > 1000, lines.slice(0, 500));
  for (const name of ['globalThis.URL', 'globalThis.fetch', 'ctx.__proto__', 'globalThis.Temporal', '.get stack']) {
    assert.ok(lines.includes(name), name);
  }
  assert.deepEqual(see(guest), clean);
  const [, , , [open]] = clean as [unknown, unknown, unknown, [unknown]];
  assert.deepEqual(open, [], 'all of it is frozen');
});

for (const [name, attack] of Object.entries(attacks)) {
  test(`nobody sees what a run does to ${name}`, () => {
    for (const kept of ['once', 'and again']) {
      const answer = guest.start({ input: { attack } });
      assert.ok(answer.kind === 'ended', `${kept}: ${JSON.stringify(answer).slice(0, 1000)}`);
      assert.match(JSON.stringify(answer.output), /wrote|threw/);
      assert.deepEqual(see(guest), clean, 'another run of the same workflow');
    }
    assert.deepEqual(see(other), clean, 'a run of another workflow');
  });
}

test('a run that waits is not reached by what runs beside it', () => {
  const waiting = `
    const mine = { secret: input.n };
    ${reachable}
    await ctx.sleep(1);
    return [mine.secret, typeof globalThis.leak, crypto.randomUUID()];`;
  using shared = new Guest(
    programOf([codeNode('only', `if (input.attack !== undefined) { ${source} }\n${waiting}`)]),
    128,
  );
  const first = shared.start({ input: { n: 1 } });
  assert.equal(first.kind, 'waits');
  for (const attack of Object.values(attacks)) shared.start({ input: { attack } });
  const end = shared.deliver(first.run, 'only', 1, 'null');
  assert.ok(end.kind === 'ended');
  assert.deepEqual((end.output as unknown[]).slice(0, 2), [1, 'undefined']);
});
