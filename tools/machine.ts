/**
 * What the tests need of the machine beside Node: programs of the system that stand for a real network, a real second user and a real Redis. On Debian
 * as root it installs what is missing; elsewhere it says what to install, and the tests that need it say so again and are skipped.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Program → the Debian package that has it. */
const needed: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  'redis-server': 'redis-server',
  'redis-cli': 'redis-server',
};

function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

function missingPackages(): string[] {
  return [
    ...new Set(
      Object.keys(needed)
        .filter((program) => !isThere(program))
        .map((program) => needed[program] as string),
    ),
  ];
}

function install(packages: readonly string[]): void {
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  spawnSync('apt-get', ['update', '-qq'], options);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
}

let missing = process.platform === 'linux' ? missingPackages() : [];
if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
  install(missing);
  missing = missingPackages();
}
if (missing.length > 0) {
  console.log(
    `Not on this machine: ${missing.join(', ')}. The tests of networks, users and Redis are skipped without; on Debian or Ubuntu:`,
  );
  console.log(`  sudo apt-get install ${missing.join(' ')}`);
} else if (process.platform !== 'linux') {
  console.log('Not Linux: the tests of networks, users and other layers of the system are skipped.');
} else {
  console.log('Everything that the tests need is there.');
}
