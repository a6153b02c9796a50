/** Node writes this after its message and before the stack, which takes it up to a second on a machine that is short of memory. */
const stackHeading = '----- Native stack trace';
const keptMax = 8_192;

/** What a runner writes on stderr. It does so when V8 gives up only: a message, then a native stack. */
export class LastWords {
  #written = '';

  push(text: string): void {
    if (this.#written.length < keptMax) this.#written += text;
  }

  /** The message is complete, and the process will not execute anything any more. */
  get isFatal(): boolean {
    return this.#written.includes(stackHeading);
  }

  /** The first line that names an error, else the first that says something: for the log. */
  get text(): string {
    const lines = this.#written
      .split('\n')
      .map((line) => line.replace(/^[#\s]+/, '').trim())
      .filter((line) => /[a-z]{4}/i.test(line) && !line.endsWith(':') && !line.startsWith('<--- '));
    return lines.find((line) => /error/i.test(line)) ?? lines[0] ?? '';
  }
}
