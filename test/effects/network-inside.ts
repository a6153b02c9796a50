/**
 * Runs in a network namespace of its own, made by network-namespace.ts: builds a second one beside it, the world outside, joined by a
 * pair of virtual interfaces, then performs the calls of each scene with the effect as a server has it, and prints what came of them.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createEffects } from '../../src/effects/effects.ts';
import { createNameResolver, defaultResolverLimits, lookUpName } from '../../src/effects/http/name-resolver.ts';
import type { EffectKind } from '../../src/effects/port.ts';
import { httpClientConfig, httpEffect, send } from './calls.ts';
import { listenEverywhere } from './listener.ts';
import type { Reached, Scene, SceneReport, Sightings } from './network-namespace.ts';
import {
  dnsAddress,
  forbiddenOutside,
  httpPort,
  insideAddress,
  publicAddress,
  publicAddress6,
} from './network-plan.ts';

const outside = 'outside';

function run(command: string, commandArguments: string[], input = ''): string {
  return execFileSync(command, commandArguments, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

/** What `ip netns` and the system's resolver read, without a trace on the machine: this mount namespace ends with the process. */
function coverSystemFiles(): void {
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  const files = mkdtempSync(join('/run', 'nflow-'));
  // Short waits: a name that nobody answers would take the resolver 10 s.
  const contents = {
    '/etc/resolv.conf': `nameserver ${dnsAddress}\noptions timeout:2 attempts:2\n`,
    '/etc/nsswitch.conf': 'hosts: files dns\n',
    '/etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  };
  for (const [path, text] of Object.entries(contents)) {
    const target = run('readlink', ['-m', path]).trim();
    if (target.startsWith('/run/')) {
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    } else {
      const file = join(files, path.replaceAll('/', '-'));
      writeFileSync(file, text);
      run('mount', ['--bind', file, target]);
    }
  }
}

function joinNamespaces(): void {
  const outsideAddresses = [dnsAddress, publicAddress, publicAddress6, ...forbiddenOutside];
  const add = (address: string, device: string): string =>
    address.includes(':')
      ? `address add ${address}/128 dev ${device} nodad`
      : `address add ${address}/32 dev ${device}`;
  run('ip', ['netns', 'add', outside]);
  run(
    'ip',
    ['-batch', '-'],
    [
      'link set lo up',
      `link add name inner type veth peer name outer netns ${outside}`,
      add(insideAddress, 'inner'),
      add('fd99::1', 'inner'),
      'link set inner up',
    ].join('\n'),
  );
  run(
    'ip',
    ['-netns', outside, '-batch', '-'],
    [
      'link set lo up',
      ...outsideAddresses.map((address) => add(address, 'outer')),
      'link set outer up',
      `route add ${insideAddress}/32 dev outer`,
      'route add fd99::1/128 dev outer',
    ].join('\n'),
  );
  run('ip', ['-batch', '-'], `route add default dev inner src ${insideAddress}\nroute add ::/0 dev inner src fd99::1`);
}

interface Outside {
  look(): Promise<Sightings>;
  end(): void;
}

async function startOutside(): Promise<Outside> {
  const script = fileURLToPath(new URL('./network-outside.ts', import.meta.url));
  const child = spawn('ip', ['netns', 'exec', outside, process.execPath, script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the world outside has ended');
    return value;
  };
  await nextLine();
  return {
    async look() {
      child.stdin.write('\n');
      return JSON.parse(await nextLine());
    },
    end: () => child.stdin.end(),
  };
}

/** Past the guard: what is there when nothing refuses it. */
function reach(host: string): Promise<Reached> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host, port: httpPort, timeout: 10_000 });
    socket.on('connect', () => socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.on('timeout', () => socket.destroy(new Error('timeout')));
    socket.on('error', (error) => resolve({ host, answer: error.message }));
    socket.on('close', () => resolve({ host, answer: text.split('\r\n\r\n').at(-1) ?? '' }));
  });
}

/** The effect as a server builds it; with `asksEachTime`, without the short memory for names. */
function effectOf(scene: Scene): EffectKind & Disposable {
  if (scene.asksEachTime === true) {
    const limits = { ...defaultResolverLimits, answerLifeMs: 0, failureLifeMs: 0 };
    return httpEffect({ allow: scene.allow, resolve: createNameResolver(lookUpName, limits) });
  }
  const effects = createEffects({ httpClient: httpClientConfig, egress: { allow: scene.allow } });
  return Object.assign(effects.get('http') as EffectKind, { [Symbol.dispose]: () => void effects.close() });
}

function difference(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after)
      .map(([address, count]) => [address, count - (before[address] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

coverSystemFiles();
joinNamespaces();
const inside = await listenEverywhere(httpPort);
const world = await startOutside();
const scenes: Scene[] = JSON.parse(readFileSync(0, 'utf8'));
const reports: SceneReport[] = [];
for (const scene of scenes) {
  const reached = await Promise.all((scene.reach ?? []).map(reach));
  const before = { inside: { ...inside.accepted }, outside: await world.look() };
  using effect = effectOf(scene);
  const results = [];
  for (const call of scene.calls) {
    const times = Array.from({ length: scene.together ?? 1 }, () => send(effect, { timeoutMs: 20_000, ...call }));
    results.push(...(await Promise.all(times)));
  }
  const after = await world.look();
  reports.push({
    reached,
    results,
    accepted: {
      ...difference(before.outside.accepted, after.accepted),
      ...difference(before.inside, inside.accepted),
    },
    requests: after.requests.slice(before.outside.requests.length),
    questions: after.questions.slice(before.outside.questions.length),
  });
}
world.end();
inside.close();
process.stdout.write(JSON.stringify(reports));
