/**
 * Starts what `inside.ts` is behind the layers that this machine gives to this user, lets it try, and prints what came of it as JSON:
 * run as root, and as a plain user.
 *
 *   node gateway.ts SECRET-FILE [LAYER-TO-OMIT…]
 */
import { readdirSync, readlinkSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Announcement } from '../../../src/dispatch/announcement.ts';
import { chooseIsolation, layerStates } from '../../../src/dispatch/isolation/choose-plan.ts';
import { inspectIsolation } from '../../../src/dispatch/isolation/inspect.ts';
import type { LayerState } from '../../../src/dispatch/isolation/plan.ts';
import { RunnerLauncher } from '../../../src/dispatch/isolation/runner-launcher.ts';
import type { Attempts, Outcomes } from './inside.ts';

export interface Report {
  layers: LayerState[];
  seen: string[] | null;
  outcomes: Outcomes;
  /** What its descriptors are, by number. */
  descriptors: Record<string, string>;
}

const entry = fileURLToPath(new URL('inside.ts', import.meta.url));
const [secretFile = '', ...omit] = process.argv.slice(2);
const isolation = await chooseIsolation(omit);
const { files } = isolation;
const folder = dirname(entry);
const launcher = new RunnerLauncher({
  ...isolation,
  files: { ...files, entry, folders: [...files.folders, { from: folder, at: folder }] },
});

const server = createServer(() => {});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const announcement = new Announcement();
const runner = launcher.launch(announcement.fd);
let said = '';
runner.child.stderr?.on('data', (text) => {
  said += text;
});
runner.child.once('exit', (code, signal) => {
  console.error(`ended with ${signal ?? code}: ${said}`);
  process.exit(1);
});
const attempts: Attempts = {
  gatewayPid: process.pid,
  gatewayPort: (server.address() as AddressInfo).port,
  secretFile,
  ownCode: entry,
};
runner.socket.write(`${JSON.stringify(attempts)}\n`);
let answer = '';
runner.socket.on('data', (chunk) => {
  answer += chunk;
  if (!answer.endsWith('\n')) return;
  const report: Report = {
    layers: layerStates(isolation.plan),
    seen: inspectIsolation(runner.pid)?.values().toArray() ?? null,
    outcomes: JSON.parse(answer) as Outcomes,
    descriptors: descriptorsOf(runner.pid),
  };
  process.stdout.write(JSON.stringify(report), () => {
    runner.child.removeAllListeners('exit');
    runner.kill();
    process.exit(0);
  });
});

function descriptorsOf(pid: number): Record<string, string> {
  return Object.fromEntries(
    readdirSync(`/proc/${pid}/fd`).map((fd) => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)] as const),
  );
}
