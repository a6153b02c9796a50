/** What a gate found, and how a gate reports. */
export interface Violation {
  file: string;
  /** 1-based. */
  line: number;
  /** Short kebab-case name of the rule. */
  rule: string;
  /** What was found, what is allowed, what to do. */
  message: string;
}

/** Prints the violations, clickable in most terminals; returns the exit code. */
export function reportViolations(violations: readonly Violation[], clean: string): number {
  for (const { file, line, rule, message } of violations) console.log(`${file}:${line}  ${rule}\n    ${message}`);
  console.log(violations.length === 0 ? clean : `${violations.length} violation${violations.length === 1 ? '' : 's'}`);
  return violations.length === 0 ? 0 : 1;
}
