import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nflow, temporaryFolder } from './spawned.ts';

const wrong: [name: string, args: string[], expected: RegExp][] = [
  ['an unknown command names the nearest one', ['strat'], /unknown command 'strat'\n\(Did you mean start\?\)/],
  [
    'an unknown option names the nearest one',
    ['ls', '--limti', '3'],
    /unknown option '--limti'\n\(Did you mean --limit\?\)/,
  ],
  ['a missing argument is named', ['show'], /missing required argument 'id'/],
  ['an argument too many is refused', ['ls', 'x'], /too many arguments/],
  ['a limit out of range says the range', ['ls', '--limit', '10001'], /Expected a whole number from 1 to 10000/],
  ['a port that is none is refused with the flag', ['start', '--port', 'http'], /--port: got "?http"?/],
  ['a configuration file that does not exist is refused', ['start', '--config', 'none.toml'], /none\.toml/],
  ['a folder of workflows that does not exist is refused', ['start', '--workflows', 'none'], /There is no none/],
  [
    'an address that is none is refused',
    ['ls', '--server', 'not an address'],
    /not an address is not the address of a server/,
  ],
  [
    'an address of another protocol says which are',
    ['ls', '--server', 'ftp://x'],
    /expected +an http or https address/,
  ],
];

for (const [name, args, expected] of wrong) {
  test(`${name}, and the exit code is 2`, async (t) => {
    const { code, stdout, stderr } = await nflow(t, args, { cwd: temporaryFolder(t) });
    assert.match(stderr, expected);
    assert.match(stderr, /^error \w+: /);
    assert.equal(stdout, '');
    assert.equal(code, 2);
  });
}

test('no command shows the help and the exit code is 2', async (t) => {
  const { code, stderr } = await nflow(t, []);
  assert.match(stderr, /Usage: nflow/);
  assert.equal(code, 2);
});

test('--help of a command goes to stdout and the exit code is 0', async (t) => {
  const { code, stdout } = await nflow(t, ['executions', 'list', '--help']);
  assert.match(stdout, /^Usage: nflow executions list/);
  assert.equal(code, 0);
});

test('a server that does not answer is told with its address, and the exit code is 3', async (t) => {
  const { code, stderr } = await nflow(t, ['ls', '--server', 'http://127.0.0.1:9']);
  assert.match(stderr, /error server_unreachable: No server answers at http:\/\/127\.0\.0\.1:9/);
  assert.equal(code, 3);
});
