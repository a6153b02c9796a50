import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { checkConfig, loadConfig } from '../../src/config/load.ts';
import { showConfig } from '../../src/config/show.ts';
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

test('without any source the configuration is the documented defaults', () => {
  const { config, origins, warnings } = loadConfig({ env: {}, flags: {} });
  assert.deepEqual(config, {
    server: {
      host: '127.0.0.1',
      port: 8080,
      maxInflightBytes: Math.max(64 * 1024 * 1024, Math.floor(totalmem() / 8)),
      drainTimeoutMs: 30_000,
      bodySizeMax: 1_048_576,
      headerSizeMax: 16_384,
      urlSizeMax: 8192,
      jsonDepthMax: 64,
      requestTimeoutMs: 60_000,
    },
    vmPool: {
      maxSize: 200,
      preloadSize: 16,
      idleTimeoutMs: 15 * 60_000,
      cleanupIntervalMs: 10 * 60_000,
      enableMetrics: true,
      acquireTimeoutMs: 1000,
      maxMemoryMiB: 128,
      maxExecutionMs: 30_000,
      recycleAfterRuns: 100_000,
    },
    runners: { fast: Math.max(1, availableParallelism() - 1) },
    databaseNflow: { driver: 'postgres', dsn: null, unsafe: false },
    httpClient: {
      maxIdleConns: 100,
      maxIdleConnsPerHost: 10,
      idleConnTimeoutMs: 90_000,
      timeoutMs: 30_000,
      maxConnsPerHost: 0,
      responseSizeMax: 10 * 1024 * 1024,
    },
    egress: { allow: [] },
    history: { buffer: 10_000 },
    log: { level: 'info' },
    vars: {},
  } satisfies Config);
  assert.equal(origins.get('server.port'), 'default');
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
      assert.ok(
        error.message.includes(`${file}:2: server.port: got 99999, expected a whole number of port from 0 to 65535`),
      );
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
  const text = '[server]\ngateways = 2\n[cache]\ndefault_ttl = "5m"\n[redis.sessions]\nhost = "x"\n[runners]\nslow = 1';
  const findings = findingsOf(text);
  assert.deepEqual(
    findings.map(({ place }) => place),
    [
      '2 server.gateways not-available',
      '4 cache.default_ttl not-available',
      '5 redis.sessions not-available',
      '8 runners.slow not-available',
    ],
  );
  assert.match(findings[0]?.message ?? '', /server.gateways is not available in this version/);
});

test('a file of the original nFlow starts with one warning that names what has no effect', () => {
  const text = `
[database_nflow]
driver = "postgres"
dsn = "user=postgres dbname=nflow sslmode=disable"
query = "SELECT name,query FROM queries"
[redis]
host = "localhost:6379"
password = ""
maxconnectionpool = 200
[vm_pool]
max_size = 200
preload_size = 100
idle_timeout = 15
cleanup_interval = 10
enable_metrics = true
max_memory_mb = 128
max_execution_seconds = 30
max_operations = 10000000
enable_filesystem = false
[tracker]
enabled = false
[monitor]
health_check_path = "/health"
[debug]
allowed_ips = ""
[mail]
smtp_port = 587
[rate_limit]
enabled = false
[rate_limit.ip]
limit = 1
[pg_session]
url = ""
[env]
scim_base = "https://localhost:8443"
`;
  const { config, warnings } = loadConfig({ file: fileWith(text), env: { NFLOW_MONITOR__ENABLED: 'true' } });
  assert.equal(config.vmPool.preloadSize, 100);
  assert.equal(config.databaseNflow.dsn, 'user=postgres dbname=nflow sslmode=disable');
  assert.equal(warnings.length, 1);
  for (const name of [
    '[tracker]',
    '[monitor]',
    '[mail]',
    '[env]',
    'redis.host',
    'vm_pool.max_operations',
    'database_nflow.query',
  ]) {
    assert.ok(warnings[0]?.includes(name), `${name} in: ${warnings[0]}`);
  }
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
    /absent\.toml: the file cannot be read \(ENOENT\)/,
  );
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
  ['', false],
];
for (const [entry, isAllowed] of egressEntries) {
  test(`[egress] allow ${isAllowed ? 'takes' : 'refuses'} ${JSON.stringify(entry)}`, () => {
    assert.equal(findingsOf(`[egress]\nallow = [${JSON.stringify(entry)}]`).length === 0, isAllowed);
  });
}

test('names that objects have by themselves are no keys', () => {
  for (const name of ['__proto__', 'constructor']) {
    assert.notDeepEqual(findingsOf(`["${name}"]\nport = 1`), []);
    assert.notDeepEqual(findingsOf(`[server]\n"${name}" = 1`), []);
    assert.notDeepEqual(findingsOf(`[vars]\n"${name}" = 1`), []);
  }
});
