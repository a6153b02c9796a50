import { closeSync, openSync } from 'node:fs';
import type { Isolation } from './choose-plan.ts';
import { isolatedCommand, permissionOptions } from './command.ts';
import { foreignDescriptors } from './foreign-descriptors.ts';
import { IsolatedProcess } from './isolated-process.ts';
import { openMountTable } from './mount-table-file.ts';
import { hasHolder } from './plan.ts';
import { runnerLimits } from './runner-limits.ts';
import { drawUser, type UserRange, userRange } from './user-range.ts';

const nodeOptions = [
  '--no-node-snapshot',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=SecurityWarning',
];

/** Starts runners as the plan says, each with a user of its own where there can be one. */
export class RunnerLauncher {
  readonly #isolation: Isolation;
  readonly #users: UserRange | null;
  readonly #usersInUse = new Set<number>();
  readonly #foreign = { fds: foreignDescriptors(), nullFd: openSync('/dev/null', 'r+') };

  constructor(isolation: Isolation) {
    this.#isolation = isolation;
    this.#users = isolation.plan.ownUser ? userRange() : null;
  }

  /** `announceFd` is inherited; it stays open here. */
  launch(announceFd: number): IsolatedProcess {
    const { plan, tools, files } = this.#isolation;
    const user = this.#users === null ? null : drawUser(this.#users, this.#usersInUse);
    const limits = runnerLimits(plan);
    const nodeArguments = [
      ...nodeOptions,
      ...(plan.permissions ? permissionOptions(files) : []),
      files.entry,
      ...(user === null ? [] : [`--user=${user}`]),
    ];
    const command = isolatedCommand({ plan, tools, files, limits, nodeArguments });
    const mountTableFd = plan.mount ? openMountTable(files, tools) : null;
    let runner: IsolatedProcess;
    try {
      runner = new IsolatedProcess({
        command,
        hasHolder: hasHolder(plan),
        announceFd,
        mountTableFd,
        foreign: this.#foreign,
      });
    } finally {
      if (mountTableFd !== null) closeSync(mountTableFd);
    }
    if (user !== null) {
      this.#usersInUse.add(user);
      runner.child.once('exit', () => this.#usersInUse.delete(user));
    }
    return runner;
  }
}
