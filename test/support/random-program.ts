/** Seeded random programs of effects, for the property tests of the segment protocol. */
import type { Program, ProgramNode } from '../../src/protocol/program.ts';
import { effectPartsOf } from '../../src/workflow/uses.ts';
import { webGlobalsOf } from '../../src/workflow/web-globals.ts';

/** A small seeded generator (mulberry32): the same seed gives the same programs. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * A chain of one to four code nodes, each a random sequence of awaited, parallel, raced, failing, unawaited and aborted effects, and of
 * timers that wait, race, repeat and are cleared.
 */
export function randomProgram(seed: number): Program {
  const random = seededRandom(seed);
  const pick = (max: number): number => Math.floor(random() * max);
  let calls = 0;

  const call = (): string => {
    const target = ++calls;
    const method = pick(3) === 0 ? 'get' : 'post';
    const fails = pick(5) === 0;
    const url = `'http://target/${fails ? 'fail' : 'ok'}/${target}'`;
    const seen = ['Date.now()', 'ctx.random()', 'ctx.uuid()', 'out.length', 'Math.random()'][pick(5)] as string;
    const sent = method === 'get' ? `{ query: { seen: ${seen} } }` : `{ seen: ${seen} }`;
    return `ctx.http.${method}(${url}, ${sent}).then((r) => r.body, (e) => 'failed ' + e.reason)`;
  };

  const timer = (value: string): string => `new Promise((done) => setTimeout(() => done(${value}), ${pick(40)}))`;

  const statement = (depth: number): string => {
    switch (pick(depth > 1 ? 13 : 15)) {
      case 0:
        return `out.push(await Promise.all([${call()}, ${call()}, ${call()}]));`;
      case 1:
        return `out.push(await Promise.race([${call()}, ${call()}]));`;
      case 2:
        return `${call()};`;
      case 3:
        return `{ const early = ${call()}; out.push(await ${call()}); out.push(await early); }`;
      case 4:
        return `console.log('at', out.length); out.push(ctx.random(), Date.now());`;
      case 5:
        return `await ctx.sleep(${pick(5)}); out.push('slept');`;
      case 6:
        return `out.push(await ${call()});`;
      case 7:
        return `out.push(await ${timer('Date.now()')});`;
      case 8:
        return `out.push(await Promise.all([${timer("'a'")}, ${call()}, ${timer("'b'")}]));`;
      case 9:
        return `out.push(await Promise.race([${timer("'late'")}, ${call()}]));`;
      case 10:
        return `{ const cleared = setTimeout(() => out.push('never'), ${pick(30)}); out.push(await ${pick(2) === 0 ? call() : timer('0')}); clearTimeout(cleared); }`;
      case 11:
        return `{ let turns = 0; out.push(await new Promise((done) => { const id = setInterval(() => { out.push(ctx.random()); if (++turns === ${1 + pick(3)}) { clearInterval(id); done(turns); } }, ${1 + pick(20)}); })); }`;
      case 12:
        return `setTimeout(() => { out.push('fired'); ${call()}; }, ${pick(40)}); out.push(await fetch('http://target/ok/${++calls}', { signal: AbortSignal.timeout(${1 + pick(20)}) }).then((r) => r.status, (e) => e.name));`;
      case 13:
        return `for (let i = 0; i < ${1 + pick(3)}; i++) { ${statement(depth + 1)} }`;
      default:
        return `if (ctx.random() < 0.5) { ${statement(depth + 1)} } else { ${statement(depth + 1)} }`;
    }
  };

  const count = 1 + pick(4);
  const nodes: ProgramNode[] = [];
  for (let i = 0; i < count; i++) {
    const body = Array.from({ length: 1 + pick(4) }, () => statement(0)).join('\n');
    nodes.push({
      name: `step${i}`,
      type: 'code',
      next: i + 1 < count ? `step${i + 1}` : null,
      code: {
        file: null,
        async: true,
        uses: ['input', 'ctx', 'nodes', 'prev'],
        source: `const out = [];\n${body}\nreturn { out, before: prev ?? null, first: nodes.step0?.out.length ?? 0, name: input.body.name };`,
      },
    });
  }
  return {
    workflow: 'random',
    start: 'step0',
    nodes,
    varsJson: '{}',
    webGlobals: webGlobalsOf(nodes),
    effectParts: effectPartsOf(nodes),
    isolation: 'shared',
  };
}
