/**
 * A runner is started with what it needs to load its code: it may have to be root to enter the folder that holds it. All of that is
 * given up here, before the first frame is read.
 *
 * `--user=NUMBER` names the user and group that it becomes. Throws when anything of the old ones is left.
 */
export function dropPrivileges(argv: readonly string[]): void {
  const given = argv.find((argument) => argument.startsWith('--user='));
  if (given !== undefined) become(Number(given.slice('--user='.length)));
  // With Node's permission model: what was needed to load.
  process.permission?.drop('fs.read');
  process.permission?.drop('addon');
}

function become(user: number): void {
  if (!Number.isSafeInteger(user) || user <= 0) throw new TypeError(`not a user that a runner may become: ${user}`);
  process.setgroups?.([]);
  process.setgid?.(user);
  process.setuid?.(user);
  const ids = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.()];
  if (ids.some((id) => id !== user)) throw new Error(`the runner did not become user ${user} but ${ids.join(', ')}`);
  // A user that was only put on could be taken off again.
  if (canBecomeRoot()) throw new Error(`the runner became user ${user} and could become root again`);
}

function canBecomeRoot(): boolean {
  try {
    process.seteuid?.(0);
    return true;
  } catch {
    return false;
  }
}
