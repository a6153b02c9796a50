import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NflowError } from '../../src/errors.ts';
import { createLog, type LogOptions } from '../../src/observe/log.ts';

function capture(options: Partial<LogOptions> = {}): { log: ReturnType<typeof createLog>; lines: string[] } {
  const lines: string[] = [];
  return { log: createLog({ level: 'debug', output: { write: (text) => lines.push(text) }, ...options }), lines };
}

test('a line is one JSON object with level, time and message', () => {
  const { log, lines } = capture();
  log.child({ part: 'store' }).warn({ rows: 3 }, 'slow commit');
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.equal(line.level, 'warn');
  assert.equal(line.msg, 'slow commit');
  assert.equal(line.part, 'store');
  assert.equal(line.rows, 3);
  assert.ok(!Number.isNaN(Date.parse(String(line.time))));
});

test('passwords and tokens are not written, wherever they are', () => {
  for (const readable of [false, true]) {
    const { log, lines } = capture({ readable, colors: false });
    const url = 'postgres://nflow:hunter2@db/nflow';
    log.info(`connecting to ${url}`);
    log.info({ dsn: url, nested: { authorization: 'Bearer hunter2', list: [{ password: 'hunter2' }] } }, 'fields');
    log.info('host=db password=hunter2 user=nflow');
    log.error(
      { error: new NflowError('store_unavailable', `no answer from ${url}`, { cause: new Error(url) }) },
      'failed',
    );
    log.child({ token: 'hunter2' }).info('child');
    assert.equal(lines.length, 5);
    assert.ok(!lines.join('').includes('hunter2'), lines.join(''));
    assert.ok(lines.join('').includes('postgres://nflow:(hidden)@db/nflow'));
  }
});

test('a level below the chosen one writes nothing', () => {
  const { log, lines } = capture({ level: 'warn' });
  log.info('quiet');
  log.debug({ a: 1 }, 'quiet');
  log.error('loud');
  assert.equal(lines.length, 1);
});

test('a readable line keeps control characters off the terminal', () => {
  const { log, lines } = capture({ readable: true, colors: false });
  log.info({ name: 'a\u001b[2Jb' }, 'clear \u001b[2J\nfake line');
  assert.equal(lines.length, 1);
  assert.ok(!(lines[0] ?? '').includes('\u001b'));
  assert.equal((lines[0] ?? '').trimEnd().split('\n').length, 1);
});
