import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { plannedKeys, plannedSections } from '../../src/config/foreign-keys.ts';
import { placedKeys } from '../../src/config/keys.ts';
import { checkConfig, loadConfig } from '../../src/config/load.ts';
import { showConfig, showConfigAsJson } from '../../src/config/show.ts';
import { NflowError } from '../../src/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'nflow-config-'));
after(() => rmSync(folder, { recursive: true }));

function fileWith(text: string): string {
  const file = join(folder, 'config.toml');
  writeFileSync(file, text);
  return file;
}

function configOf(text: string, env: Record<string, string> = {}, flags: Record<string, string> = {}): Config {
  return loadConfig({ file: fileWith(text), env, flags }).config;
}

/** The findings as `line key code`, with the message for those who look closer. */
function findingsOf(text: string, env: Record<string, string> = {}): { place: string; message: string }[] {
  return checkConfig({ file: fileWith(text), env, flags: {} }).findings.map(({ line, key, code, message }) => ({
    place: `${line} ${key} ${code}`,
    message,
  }));
}

/** What the documentation promises, whatever else the table has. */
const promisedDefaults: [key: string, value: unknown][] = [
  ['server.host', '127.0.0.1'],
  ['server.port', 8080],
  ['server.max_inflight_bytes', Math.max(64 * 1024 * 1024, Math.floor(totalmem() / 8))],
  ['server.drain_timeout', 30_000],
  ['server.max_body_bytes', 1_048_576],
  ['server.max_header_bytes', 16_384],
  ['server.max_url_bytes', 8192],
  ['server.max_json_depth', 64],
  ['vm_pool.max_size', 200],
  ['vm_pool.preload_size', 16],
  ['vm_pool.idle_timeout', 15 * 60_000],
  ['vm_pool.cleanup_interval', 10 * 60_000],
  ['vm_pool.acquire_timeout_ms', 1000],
  ['vm_pool.max_memory_mb', 128],
  ['vm_pool.max_execution_seconds', 30_000],
  ['vm_pool.recycle_after_runs', 100_000],
  ['runners.fast', Math.max(1, availableParallelism() - 1)],
  ['database_nflow.dsn', null],
  ['database_nflow.unsafe', false],
  ['http_client.max_idle_conns', 100],
  ['http_client.max_idle_conns_per_host', 10],
  ['http_client.idle_conn_timeout', 90_000],
  ['http_client.timeout', 30_000],
  ['http_client.max_conns_per_host', 0],
  ['http_client.max_response_bytes', 10 * 1024 * 1024],
  ['egress.allow', []],
  ['monitor.enabled', true],
  ['monitor.health_check_path', '/health'],
  ['monitor.metrics_path', '/metrics'],
];

test('without any source the configuration is the documented defaults, each said to be one', () => {
  const { config, origins, warnings } = loadConfig({ env: {}, flags: {} });
  for (const [id, value] of promisedDefaults) {
    const placed = placedKeys.find((one) => one.id === id);
    assert.ok(placed !== undefined, id);
    assert.deepEqual((config[placed.section] as Record<string, unknown>)[placed.field], value, id);
  }
  for (const { id } of placedKeys) assert.equal(origins.get(id), 'default');
  assert.deepEqual(config.vars, {});
  assert.deepEqual(warnings, []);
});

test('keys of the original keep their bare unit and take a duration too', () => {
  const bare = configOf(
    '[vm_pool]\nidle_timeout = 5\ncleanup_interval = 2\nmax_execution_seconds = 7\nacquire_timeout_ms = 250\nmax_memory_mb = 64',
  );
  assert.equal(bare.vmPool.idleTimeoutMs, 5 * 60_000);
  assert.equal(bare.vmPool.cleanupIntervalMs, 2 * 60_000);
  assert.equal(bare.vmPool.maxExecutionMs, 7000);
  assert.equal(bare.vmPool.acquireTimeoutMs, 250);
  assert.equal(bare.vmPool.maxMemoryMiB, 64);
  const text = configOf('[vm_pool]\nidle_timeout = "90s"\nmax_execution_seconds = "200ms"\nacquire_timeout_ms = "2s"');
  assert.equal(text.vmPool.idleTimeoutMs, 90_000);
  assert.equal(text.vmPool.maxExecutionMs, 200);
  assert.equal(text.vmPool.acquireTimeoutMs, 2000);
});

test('a float is not an integer, however round it is, and a duration takes both', () => {
  const findings = findingsOf('[server]\nport = 8080.0\nmax_body_bytes = 1e6\n[vm_pool]\nmax_size = 0x20');
  assert.deepEqual(
    findings.map(({ place }) => place),
    ['2 server.port invalid-value', '3 server.max_body_bytes invalid-value'],
  );
  assert.equal(findings[0]?.message, 'server.port: got 8080.0, expected a whole number from 0 to 65535');
  assert.equal(configOf('[vm_pool]\nidle_timeout = 1.5').vmPool.idleTimeoutMs, 90_000);
  assert.deepEqual(configOf('[vars]\nrate = 2.0\ncount = 3').vars, { rate: 2, count: 3 });
});

test('an integer that a number cannot hold is refused with its line, and the lines after it are known', () => {
  const found = findingsOf('[vars]\nbig = 9223372036854775807\n[server]\nport = 99999999999999999\nprot = [1, 2]');
  assert.deepEqual(
    found.map(({ place }) => place),
    ['2 vars.big invalid-value', '4 server.port invalid-value', '5 server.prot unknown-key'],
  );
  assert.match(found[0]?.message ?? '', /got 9223372036854775807, expected a text, a number \(an integer/);
});

test('a key that never had a unit refuses a bare number', () => {
  const [finding] = findingsOf('[server]\ndrain_timeout = 30');
  assert.equal(finding?.place, '2 server.drain_timeout invalid-value');
  assert.match(finding?.message ?? '', /got 30, expected a duration such as 200ms/);
});

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const text = '[server]\nport = 1001\nhost = "127.0.0.2"\n[history]\nbuffer = 5';
  const options = {
    file: fileWith(text),
    env: { NFLOW_SERVER__PORT: '1002', NFLOW_SERVER__HOST: 'localhost' },
    flags: { 'server.port': '1003' },
  };
  const { config, origins } = loadConfig(options);
  assert.equal(config.server.port, 1003);
  assert.equal(config.server.host, 'localhost');
  assert.equal(config.history.buffer, 5);
  assert.equal(origins.get('server.port'), '--port');
  assert.equal(origins.get('server.host'), 'NFLOW_SERVER__HOST');
  assert.equal(origins.get('history.buffer'), `${options.file}:5`);
  assert.equal(origins.get('runners.fast'), 'default');
});

test('the environment gives lists as JSON, numbers, booleans and durations as text', () => {
  const { config } = loadConfig({
    env: {
      NFLOW_EGRESS__ALLOW: '["10.0.0.0/8","[::1]:8080"]',
      NFLOW_VM_POOL__ENABLE_METRICS: 'false',
      NFLOW_VM_POOL__IDLE_TIMEOUT: '3',
      NFLOW_HTTP_CLIENT__TIMEOUT: '1m30s',
      NFLOW_SERVER: 'http://ignored.example',
      PATH: '/bin',
    },
  });
  assert.deepEqual(config.egress.allow, ['10.0.0.0/8', '[::1]:8080']);
  assert.equal(config.vmPool.enableMetrics, false);
  assert.equal(config.vmPool.idleTimeoutMs, 180_000);
  assert.equal(config.httpClient.timeoutMs, 90_000);
});

test('variables keep the type that the file gives them and are text otherwise', () => {
  const config = configOf('[vars]\nrate = 0.5\nlive = true\nregion = "eu"', {
    NFLOW_VARS__rate: '0.75',
    NFLOW_VARS__live: 'false',
    NFLOW_VARS__region: '7',
    NFLOW_VARS__zip: '01234',
  });
  assert.deepEqual(config.vars, { rate: 0.75, live: false, region: '7', zip: '01234' });
});

test('all mistakes are told at once, each with its line', () => {
  const text = [
    '[server]',
    'port = 99999',
    'hosst = "x"',
    'max_body_bytes = "big"',
    '',
    '[vm_pol]',
    'max_size = 1',
    '',
    '[egress]',
    'allow = [',
    '  "127.0.0.1:8080",',
    '  "not a host!",',
    ']',
    '[vars]',
    '"bad-name" = 1',
    'nested = { a = 1 }',
    '[log]',
    'level = "loud"',
  ].join('\n');
  assert.deepEqual(
    findingsOf(text, { NFLOW_RUNNERS__FAST: 'many', NFLOW_LOGS__LEVEL: 'info' }).map(({ place }) => place),
    [
      '2 server.port invalid-value',
      '3 server.hosst unknown-key',
      '4 server.max_body_bytes invalid-value',
      '7 vm_pol.max_size unknown-key',
      '10 egress.allow invalid-value',
      '15 vars.bad-name invalid-value',
      '16 vars.nested invalid-value',
      '18 log.level invalid-value',
      '0 NFLOW_RUNNERS__FAST invalid-value',
      '0 NFLOW_LOGS__LEVEL unknown-key',
    ],
  );
});

test('the error names file, line, what was got and what is allowed, and carries the code', () => {
  const file = fileWith('[server]\nport = 99999\n[vm_pool]\nmax_sise = 3');
  assert.throws(
    () => loadConfig({ file, env: {} }),
    (error: unknown) => {
      assert.ok(error instanceof NflowError);
      assert.equal(error.code, 'invalid_config');
      assert.match(error.message, /2 mistakes/);
      assert.ok(error.message.includes(`${file}:2: server.port: got 99999, expected a whole number from 0 to 65535`));
      assert.ok(
        error.message.includes(`${file}:4: vm_pool.max_sise is not a known key; did you mean vm_pool.max_size?`),
      );
      return true;
    },
  );
});

const unknownKeys: [text: string, hint: string][] = [
  ['[sever]\nport = 1', 'server.port'],
  ['port = 1', 'server.port'],
  ['[vm_pool]\nport = 1', 'server.port'],
  ['[vm_pool]\nmax_szie = 1', 'vm_pool.max_size'],
  ['[http_client]\ntimeuot = "1s"', 'http_client.timeout'],
  ['server = 3', '[server]'],
];
for (const [text, hint] of unknownKeys) {
  test(`an unknown key names the nearest known one: ${JSON.stringify(text)}`, () => {
    const [finding] = findingsOf(text);
    assert.match(finding?.place ?? '', /unknown-key$/);
    assert.equal(finding?.message.split('; ').at(-1), `did you mean ${hint}?`);
  });
}

test('keys of later versions are refused by name', () => {
  const planned = [...plannedKeys, ...plannedSections.map((section) => `${section}.anything`)];
  for (const id of planned) {
    const [section, name] = id.split('.');
    const [finding, ...others] = findingsOf(`[${section}]\n${name} = 2`);
    assert.equal(finding?.place, `2 ${id} not-available`);
    assert.match(finding?.message ?? '', /is not available in this version/);
    assert.deepEqual(others, []);
  }
  assert.equal(findingsOf('[redis.sessions]\nhost = "x"')[0]?.place, '1 redis.sessions not-available');
});

test('each key of the original that has no effect gives one warning with its place, and what does its work', () => {
  const file = fileWith(
    [
      '[tracker]',
      'enabled = false',
      'workers = 4',
      '[rate_limit]',
      '[rate_limit.ip]',
      'limit = 10',
      '[vm_pool]',
      'max_operations = 10000000',
      '[mongo]',
      'url = ""',
      '[database_nflow]',
      'query = "SELECT name, query FROM queries"',
      'QueryGetUser = "SELECT 1"',
    ].join('\n'),
  );
  const { warnings } = loadConfig({
    file,
    env: { NFLOW_TWILIO__ACCOUNT_SID: 'sid', NFLOW_TWILIO__AUTH_TOKEN: 'hunter2' },
  });
  const places = warnings.map((warning) => warning.replace(file, 'FILE').replace(/ of the original .*/s, ''));
  assert.deepEqual(places, [
    'FILE:2: tracker.enabled',
    'FILE:3: tracker.workers',
    'FILE:6: rate_limit.ip.limit',
    'FILE:8: vm_pool.max_operations',
    'FILE:10: mongo.url',
    'FILE:12: database_nflow.query',
    'FILE:13: database_nflow.QueryGetUser',
    'environment: NFLOW_TWILIO__ACCOUNT_SID',
    'environment: NFLOW_TWILIO__AUTH_TOKEN',
  ]);
  assert.match(warnings[3] ?? '', /no effect in this version; vm_pool\.max_execution_seconds bounds a run$/);
  assert.match(warnings[4] ?? '', /no effect in this version$/);
  assert.ok(!warnings.join().includes('hunter2'));
});

test('an empty inherited section is no mistake, a key in it that the original had not is, where the section is not all inherited', () => {
  assert.deepEqual(findingsOf('[redis]\n[tracker]\n[tracker.deep.er]'), []);
  assert.equal(
    findingsOf('[vm_pool]\nenable_time_travel = true')[0]?.place,
    '2 vm_pool.enable_time_travel unknown-key',
  );
  assert.equal(
    findingsOf('[monitor]\nhealth_chek_path = "/x"')[0]?.message.split('; ').at(-1),
    'did you mean monitor.health_check_path?',
  );
});

test('the SQLite of the original is answered by the embedded server, with a warning', () => {
  const text = '[database_nflow]\ndriver = "sqlite3"\ndsn = "../nflow/app/app.sqlite"';
  const loaded = loadConfig({ file: fileWith(text), env: {} });
  assert.equal(loaded.config.databaseNflow.dsn, null);
  assert.equal(loaded.warnings.length, 1);
  assert.match(
    loaded.warnings[0] ?? '',
    /:2: database_nflow\.driver "sqlite3" .* embedded server .* database_nflow\.dsn is not read/,
  );
  assert.equal(showConfig(loaded).find(({ key }) => key === 'database_nflow.dsn')?.value, '""');
});

const wrongDsns: [dsn: string, said: RegExp][] = [
  [
    'postgres://u:hunter2@h/d?sslmode=on',
    /not valid at sslmode: got 'on', expected one of disable, allow, prefer, require/,
  ],
  [
    'user=u password=hunter2 pool_max_conns=1',
    /not valid at pool_max_conns: got 1, expected a whole number from 4 to 1000/,
  ],
  ['../nflow/app/app.sqlite', /not valid at position 1: got a word without =/],
  ['postgres://u@h:hunter2/d', /not valid at port: got something else, expected a whole number from 1 to 65535/],
];
for (const [dsn, said] of wrongDsns) {
  test(`a connection string that is not valid is told with its line: ${dsn}`, () => {
    const [finding, ...others] = findingsOf(`[database_nflow]\n\ndsn = ${JSON.stringify(dsn)}`);
    assert.equal(finding?.place, '3 database_nflow.dsn invalid-value');
    assert.match(finding?.message ?? '', said);
    assert.ok(!finding?.message.includes('hunter2'), finding?.message);
    assert.deepEqual(others, []);
  });
}

test('both forms of a connection string are taken as they are', () => {
  for (const dsn of [
    'postgres://user:pass@localhost/nflow?sslmode=disable&pool_max_conns=100',
    'user=postgres dbname=nflow sslmode=disable pool_max_conns=20',
  ]) {
    assert.equal(configOf(`[database_nflow]\ndsn = ${JSON.stringify(dsn)}`).databaseNflow.dsn, dsn);
  }
});

const monitorPaths: [path: string, isAllowed: boolean][] = [
  ['/healthz', true],
  ['/internal/health_check.v1', true],
  ['/health', true],
  ['/readyz', true],
  ['/', false],
  ['healthz', false],
  ['/a//b', false],
  ['/a/', false],
  ['/a/../b', false],
  ['/:id', false],
  ['/a?b', false],
  ['/nflow/health', false],
  ['/_nflow', false],
  ['/ready', false],
];
for (const [path, isAllowed] of monitorPaths) {
  test(`[monitor] health_check_path ${isAllowed ? 'takes' : 'refuses'} ${path}`, () => {
    assert.equal(findingsOf(`[monitor]\nhealth_check_path = ${JSON.stringify(path)}`).length === 0, isAllowed);
  });
}

test('health check and metrics cannot have one path', () => {
  const [finding] = findingsOf('[monitor]\nmetrics_path = "/health"');
  assert.equal(finding?.place, '2 monitor.metrics_path contradiction');
});

test('text that is not TOML is told with line and column, without the line itself', () => {
  const [finding] = checkConfig({
    file: fileWith('[database_nflow]\ndsn = postgres://u:hunter2@h/d'),
    env: {},
  }).findings;
  assert.equal(finding?.line, 2);
  assert.ok((finding?.column ?? 0) > 0);
  assert.equal(finding?.code, 'invalid-toml');
  assert.ok(!JSON.stringify(finding).includes('hunter2'));
});

test('a missing file is a finding of its own', () => {
  assert.throws(
    () => loadConfig({ file: join(folder, 'absent.toml'), env: {} }),
    /absent\.toml: the file cannot be read \(there is no such file\)/,
  );
});

const filesWithSecrets: [text: string, mode: number, warns: RegExp | null][] = [
  [
    '[database_nflow]\ndsn = "postgres://u:hunter2@h/d"',
    0o644,
    /mode 0644\), and it holds database_nflow\.dsn; run `chmod 600 /,
  ],
  ['[database_nflow]\ndsn = "postgres://u:hunter2@h/d"', 0o640, null],
  ['[database_nflow]\ndsn = "postgres://u:hunter2@h/d"', 0o600, null],
  ['[database_nflow]\ndsn = "user=u dbname=d"', 0o644, null],
  ['[redis]\npassword = "hunter2"', 0o604, /mode 0604\), and it holds redis\.password;/],
  ['[redis]\npassword = ""', 0o644, null],
  [
    '[twilio]\nauth_token = "hunter2"\n[mongo]\nurl = "mongodb://u:hunter2@h"',
    0o644,
    /holds twilio\.auth_token, mongo\.url;/,
  ],
  ['[mongo]\nurl = "mongodb://h"', 0o644, null],
  ['[server]\nport = 8080', 0o644, null],
];
for (const [text, mode, warns] of filesWithSecrets) {
  const says = warns === null ? 'gives no warning' : 'gives a warning';
  test(`a file of mode ${mode.toString(8)} with ${JSON.stringify(text)} ${says} of its readers`, {
    skip: process.platform === 'win32' && 'Windows has no such modes',
  }, () => {
    const file = fileWith(text);
    chmodSync(file, mode);
    const { warnings } = loadConfig({ file, env: {} });
    chmodSync(file, 0o600);
    const told = warnings.filter((warning) => warning.includes('every user of this machine'));
    assert.equal(told.length, warns === null ? 0 : 1);
    if (warns !== null) assert.match(told[0] ?? '', warns);
    assert.ok(!warnings.join().includes('hunter2'));
  });
}

test('for programs the values are typed, with their origin and the variable that sets each', () => {
  const file = fileWith(
    '[server]\nport = 1001\n[vars]\nrate = 0.5\n[database_nflow]\ndsn = "postgres://u:hunter2@h/d"',
  );
  const shown = showConfigAsJson(loadConfig({ file, env: { NFLOW_EGRESS__ALLOW: '["10.0.0.1"]' } }));
  const find = (key: string) => shown.find((one) => one.key === key);
  assert.deepEqual(find('server.port'), {
    key: 'server.port',
    value: 1001,
    origin: `${file}:2`,
    environment: 'NFLOW_SERVER__PORT',
  });
  assert.deepEqual(find('egress.allow')?.value, ['10.0.0.1']);
  assert.equal(find('egress.allow')?.origin, 'NFLOW_EGRESS__ALLOW');
  assert.equal(find('http_client.timeout')?.value, '30s');
  assert.equal(find('vm_pool.idle_timeout')?.value, 15);
  assert.equal(find('vm_pool.enable_metrics')?.value, true);
  assert.deepEqual([find('vars.rate')?.value, find('vars.rate')?.environment], [0.5, 'NFLOW_VARS__rate']);
  assert.equal(find('database_nflow.dsn')?.value, '(hidden)');
  assert.ok(!JSON.stringify(shown).includes('hunter2'));
});

test('a secret is shown neither when it is wrong nor when it is right', () => {
  const [finding] = findingsOf('[database_nflow]\ndsn = "hunter2"');
  assert.ok(!finding?.message.includes('hunter2'));
  const loaded = loadConfig({ file: fileWith('[database_nflow]\ndsn = "postgres://u:hunter2@h/d"'), env: {} });
  assert.equal(loaded.config.databaseNflow.dsn, 'postgres://u:hunter2@h/d');
  const shown = showConfig(loaded);
  assert.ok(!JSON.stringify(shown).includes('hunter2'));
  assert.equal(shown.find(({ key }) => key === 'vm_pool.idle_timeout')?.value, '15');
});

test('preload_size gives way to a smaller pool unless somebody set it', () => {
  assert.equal(configOf('[vm_pool]\nmax_size = 4').vmPool.preloadSize, 4);
  const [finding] = findingsOf('[vm_pool]\nmax_size = 4\npreload_size = 5');
  assert.equal(finding?.place, '3 vm_pool.preload_size contradiction');
  assert.match(finding?.message ?? '', /got 5, expected at most vm_pool.max_size, which is 4/);
});

const egressEntries: [entry: string, isAllowed: boolean][] = [
  ['127.0.0.1:8080', true],
  ['intranet.example', true],
  ['intranet.example:443', true],
  ['10.0.0.0/8', true],
  ['fd00::/8', true],
  ['::1', true],
  ['[::1]:8080', true],
  ['10.0.0.0/33', false],
  ['127.0.0.1:99999', false],
  ['300.1.1.1', false],
  ['http://intranet.example', false],
  ['*', false],
  ['10.0.0.1/8', false],
  ['10.0.0.0/8:443', true],
  ['[fd00::/8]:443', true],
  ['stock_db', true],
  ['2130706433', false],
  ['', false],
];
for (const [entry, isAllowed] of egressEntries) {
  test(`[egress] allow ${isAllowed ? 'takes' : 'refuses'} ${JSON.stringify(entry)}`, () => {
    assert.equal(findingsOf(`[egress]\nallow = [${JSON.stringify(entry)}]`).length === 0, isAllowed);
  });
}

test('in a file of thousands of lines, with values over several of them, each mistake is told with its line', () => {
  const section = (name: string): string[] => [
    `[${name}]`,
    ...Array.from({ length: 1000 }, (_, i) => `key_${i} = "${i}"`),
    'list = [',
    '  "[not a header]",',
    ']',
    'text = """',
    '[neither]',
    '"""',
  ];
  const lines = [
    ...section('tracker'),
    ...section('twilio'),
    ...section('security'),
    '[server]',
    '',
    'port = 99999',
    '[log]',
    'levle = 1',
  ];
  assert.deepEqual(
    findingsOf(lines.join('\n')).map(({ place }) => place),
    [`${lines.length - 2} server.port invalid-value`, `${lines.length} log.levle unknown-key`],
  );
});

test('the entry of a list that is wrong is told, with what is wrong with it', () => {
  const [finding] = findingsOf('[egress]\nallow = ["10.0.0.0/8", "10.0.0.1/8"]');
  assert.match(
    finding?.message ?? '',
    /^egress\.allow: got "10\.0\.0\.1\/8" as entry 2, which has bits after its prefix; write "10\.0\.0\.0\/8", expected a list/,
  );
  assert.match(findingsOf('[egress]\nallow = [7]')[0]?.message ?? '', /got a number as entry 1, expected/);
});

test('names that objects have by themselves are no keys', () => {
  for (const name of ['__proto__', 'constructor']) {
    assert.notDeepEqual(findingsOf(`["${name}"]\nport = 1`), []);
    assert.notDeepEqual(findingsOf(`[server]\n"${name}" = 1`), []);
    assert.notDeepEqual(findingsOf(`[vars]\n"${name}" = 1`), []);
  }
});

test('datasources have names, from the file and from the environment', () => {
  const text = `
[datasources.main]
dsn = "postgres://u:geheim@h/db"
workflows = ["orders-*"]

[datasources.read-only]
dsn = "host=h user=u dbname=db"
read_only = true
max_rows = 5
`;
  const env = {
    NFLOW_DATASOURCES__READ_ONLY__MAX_ROWS: '7',
    NFLOW_DATASOURCES__THIRD__DSN: 'postgres://u@h/third',
    NFLOW_DATASOURCES__THIRD__STATEMENT_TIMEOUT: '2s',
  };
  const { datasources } = configOf(text, env);
  assert.deepEqual(Object.keys(datasources), ['main', 'read-only', 'third']);
  assert.deepEqual(datasources.main?.workflows, ['orders-*']);
  assert.equal(datasources.main?.poolMaxConns, 10);
  assert.equal(datasources['read-only']?.readOnly, true);
  assert.equal(datasources['read-only']?.rowsMax, 7);
  assert.equal(datasources.third?.statementTimeoutMs, 2000);
  const shown = showConfig(loadConfig({ file: fileWith(text), env, flags: {} }));
  const find = (key: string) => shown.find((one) => one.key === key);
  assert.equal(find('datasources.main.dsn')?.value, '"(hidden)"');
  assert.equal(find('datasources.read-only.max_rows')?.origin, 'NFLOW_DATASOURCES__READ_ONLY__MAX_ROWS');
  assert.equal(find('datasources.main.max_bytes')?.environment, 'NFLOW_DATASOURCES__MAIN__MAX_BYTES');
});

test('what is wrong with a datasource is told at its place, without its password', () => {
  const cases: [text: string, place: string, message: RegExp][] = [
    ['[datasources.Main]\ndsn = "host=h user=u"', '1 datasources.Main invalid-value', /a name of lower-case letters/],
    ['[datasources.a]\nworkflows = ["*"]', '0 datasources.a.dsn invalid-value', /got nothing/],
    ['[datasources.a]\ndsn = "host=h"', '2 datasources.a.dsn invalid-value', /at user: got nothing/],
    ['[datasources.a]\ndsn = "host=h user=u pool_max_conns=5"', '2 datasources.a.dsn contradiction', /beside dsn/],
    [
      '[datasources.a]\ndsn = "host=h user=u"\nmax_row = 5',
      '3 datasources.a.max_row unknown-key',
      /did you mean max_rows/,
    ],
    ['[datasources.a]\ndsn = 5', '2 datasources.a.dsn invalid-value', /a value that is not shown/],
    ['[datasources]\ndsn = "geheim"', '2 datasources.dsn unknown-key', /not a known key/],
  ];
  for (const [text, place, message] of cases) {
    const [found, ...others] = findingsOf(text);
    assert.deepEqual([found?.place, others], [place, []]);
    assert.match(found?.message ?? '', message);
  }
});
