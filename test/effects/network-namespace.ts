/** Network namespaces for tests: nothing of the machine's network is touched, and nothing is left behind. Linux with iproute2. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { EffectResult } from '../../src/effects/port.ts';

/** Calls, one after another, through one effect. */
export interface Scene {
  /** `[egress] allow`. */
  allow: string[];
  /** Arguments of the effect, those of a plain GET where they are left out. */
  calls: Record<string, unknown>[];
  /** Each call so many times at once. Default 1. */
  together?: number;
  /** Without the memory for names that a server has: every call asks DNS. */
  asksEachTime?: boolean;
  /** Addresses to connect to past the guard, before the calls: to prove that somebody is there. */
  reach?: readonly string[];
}

export interface Reached {
  host: string;
  /** The body that came back, or why there is none. */
  answer: string;
}

/** What the world outside has seen so far. */
export interface Sightings {
  accepted: Record<string, number>;
  requests: string[];
  questions: string[];
}

export interface SceneReport extends Sightings {
  reached: Reached[];
  /** One for each call, and for each of its times. */
  results: EffectResult[];
}

/** As root, then as root of a user namespace of one's own. */
const waysIn = [
  ['--net', '--mount'],
  ['--user', '--map-root-user', '--net', '--mount'],
];

/** What a machine says that does not allow it, or cannot. Anything else is a defect of the test, which must not pass for a reason. */
const impossiblePattern =
  /ENOENT|not permitted|denied|not supported|no such|not found|unknown device type|no space left/i;

/** The arguments of `unshare` with which this machine makes a namespace, or why it makes none. */
export function findWayIn(): { unshare: string[] } | { reason: string } {
  if (process.platform !== 'linux') return { reason: `${process.platform} has no network namespaces` };
  if (spawnSync('ip', ['-Version']).error !== undefined) return { reason: 'there is no `ip`: install iproute2' };
  const reasons: string[] = [];
  for (const unshare of waysIn) {
    // Everything that the set-up needs, in short.
    const trial =
      'mount -t tmpfs tmpfs /run && ip netns add trial && ip link add name inner type veth peer name outer netns trial';
    const { status, stderr, error } = spawnSync('unshare', [...unshare, 'sh', '-c', trial], { encoding: 'utf8' });
    if (status === 0) return { unshare };
    const said = error?.message ?? stderr.trim();
    if (!impossiblePattern.test(said)) throw new Error(`the trial of a network namespace failed: ${said}`);
    reasons.push(`unshare ${unshare.join(' ')}: ${said}`);
  }
  return { reason: reasons.join('; ') };
}

/** Performs the scenes in a namespace, with `env` added to the environment. Rejects with what was written to stderr. */
export function performScenes(
  unshare: readonly string[],
  scenes: readonly Scene[],
  env: Readonly<Record<string, string>>,
): Promise<SceneReport[]> {
  const script = fileURLToPath(new URL('./network-inside.ts', import.meta.url));
  const child = spawn('unshare', [...unshare, process.execPath, script], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(JSON.stringify(scenes));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(stdout));
      else reject(new Error(`the namespace ended with ${code}:\n${stderr}`));
    });
  });
}
