import { exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';

/** A line that is typed on the terminal and not shown there. The prompt goes to stderr, so that stdout stays the answer. */
export function readTyped(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let typed = '';
  const finish = (): void => {
    stdin.off('data', onData);
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  };
  const onData = (text: string): void => {
    for (const character of text) {
      if (character === '\r' || character === '\n') {
        finish();
        resolve(typed);
        return;
      }
      if (character === '\u0003' || character === '\u0004') {
        finish();
        reject(new CommandFailure('usage', 'Nothing was set.', exitCode.failed));
        return;
      }
      if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('');
      else typed += character;
    }
  };
  stderr.write(prompt);
  stdin.setEncoding('utf8').setRawMode(true).on('data', onData).resume();
  return promise;
}
