/** Exit codes of every command. */
export const exitCode = {
  done: 0,
  /** What was asked for failed. */
  failed: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** Server or database not reached. */
  unreachable: 3,
  /** Data folder or port taken. */
  taken: 4,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
