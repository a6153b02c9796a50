/** A configuration of the original nFlow starts a real server on a PostgreSQL of one's own, and has its effect. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { parse } from 'smol-toml';
import { parseDsn } from '../../src/config/dsn.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type RunningServer, startServer } from '../cli/running-server.ts';
import { nflow, temporaryFolder } from '../cli/spawned.ts';
import { codeWorkflow, writeWorkflow } from '../cli/workflow-files.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const original = readFileSync(new URL('./original-config.toml', import.meta.url), 'utf8');
const secrets = /app-password|sessions-password|redis-password|mail-password|debug-token/;

let postgres: TestPostgres;
let server: RunningServer;
let cwd = '';

before(async (t) => {
  const context = t as TestContext;
  cwd = temporaryFolder(context);
  postgres = await startTestPostgres();
  const { host, port, user, password, database } = parseDsn(postgres.dsn);
  // The key=value form, with the pool's size inside, as the original was given it.
  const dsn = `host=${host} port=${port} user=${user} password=${password} dbname=${database} sslmode=disable pool_max_conns=20`;
  writeFileSync(join(cwd, 'config.toml'), original.replace('"DSN"', JSON.stringify(dsn)));
  chmodSync(join(cwd, 'config.toml'), 0o644);
  const http = (method: string, path: string) => ({ type: 'http', method, path });
  writeWorkflow(cwd, 'workflows/tax.workflow.json', {
    format: 1,
    name: 'tax',
    triggers: [http('POST', '/api/tax')],
    nodes: {
      work: { type: 'set', values: { region: '{{ vars.region }}', tax: '{{ input.body.total * vars.rate }}' } },
    },
  });
  writeWorkflow(
    cwd,
    'workflows/order.workflow.json',
    codeWorkflow(
      'order',
      "const url = 'http://' + input.headers.host + '/api/tax'; return (await ctx.http.post(url, { total: 100 })).body;",
      { ...http('POST', '/api/order'), headers: ['host'] },
    ),
  );
  writeWorkflow(cwd, 'workflows/shadow.workflow.json', codeWorkflow('shadow', 'return 1', http('GET', '/healthz')));
  writeWorkflow(
    cwd,
    'workflows/pages.workflow.json',
    codeWorkflow('pages', 'return input.params', http('GET', '/:page')),
  );
  server = await startServer(context, cwd, []);
});

after(() => postgres.stop());

function get(path: string): Promise<Response> {
  return fetch(`${server.address}${path}`, { signal: AbortSignal.timeout(20_000) });
}

test('the server starts on the configured database, and its workflows answer with their variables', async () => {
  const response = await fetch(`${server.address}/api/order`, {
    method: 'POST',
    headers: { host: new URL(server.address).host, connection: 'close' },
    signal: AbortSignal.timeout(20_000),
  });
  // One workflow called another of the same server by POST, with the key that goes with every such call.
  assert.equal(response.status, 200, await response.clone().text());
  assert.deepEqual(await response.json(), { region: 'eu-west', tax: 21 });
  assert.match(server.banner, /database +the one of \[database_nflow\] dsn/);
});

test('health and metrics are where [monitor] puts them, and nowhere else; readiness stays', async () => {
  const health = await get('/healthz');
  assert.deepEqual([health.status, ((await health.json()) as { status: string }).status], [200, 'live']);
  const metrics = await get('/internal/metrics?from=test');
  assert.equal(metrics.status, 200);
  assert.match(await metrics.text(), /nflow_effect_duration_seconds_count\{effect="http"\} \d+/);
  assert.equal((await get('/health')).status, 404);
  assert.equal((await get('/metrics')).status, 404);
  assert.equal((await get('/ready')).status, 200);
});

test('a workflow cannot take the path of the health check, and one with a parameter there does not get its requests', async () => {
  assert.match(server.banner, /route-conflict \(the server itself\) \(GET \/healthz\) and shadow \(GET \/healthz\)/);
  assert.deepEqual(await (await get('/about')).json(), { page: 'about' });
  assert.notEqual(((await (await get('/healthz')).json()) as { page?: string }).page, 'healthz');
});

/** `section.key` of every value in the file. */
function keysOf(table: Record<string, unknown>, parent = ''): string[] {
  return Object.entries(table).flatMap(([name, value]) => {
    const id = parent === '' ? name : `${parent}.${name}`;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? keysOf(value as Record<string, unknown>, id)
      : [id];
  });
}

test('each key of the file either has an effect or is told in one warning with its line, and no secret is told', () => {
  const file = join(cwd, 'config.toml');
  const { origins, warnings } = loadConfig({ file, env: {} });
  const lines = readFileSync(file, 'utf8').split('\n');
  for (const id of keysOf(parse(original))) {
    const name = id.slice(id.lastIndexOf('.') + 1);
    const told = warnings.filter((warning) => warning.includes(`: ${id} of the original nFlow has no effect`));
    const place = origins.get(id) ?? told[0] ?? '';
    assert.equal(told.length, origins.has(id) ? 0 : 1, id);
    assert.ok(place.startsWith(`${file}:`), `${id}: ${place}`);
    const line = Number(/^:(\d+)/.exec(place.slice(file.length))?.[1]);
    assert.ok(lines[line - 1]?.trimStart().startsWith(name), `${id} is not on line ${line}: ${lines[line - 1]}`);
  }
  assert.doesNotMatch(warnings.join('\n'), secrets);
});

test('the start writes the warnings, of readers of the file too, and no secret', () => {
  const written = server.stderr();
  assert.match(written, /config\.toml:\d+: tracker\.enabled of the original nFlow has no effect in this version/);
  assert.match(
    written,
    /every user of this machine can read it \(mode 0644\), and it holds database_nflow\.dsn, database\.url, pg_session\.url, redis\.password, mail\.password, debug\.auth_token;/,
  );
  assert.doesNotMatch(written, secrets);
});

test('`config show` prints the effective values of the file with their lines, and hides the secrets', async (t) => {
  const { code, stdout, stderr } = await nflow(t, ['config', 'show', '--json'], { cwd });
  assert.equal(code, 0, stderr);
  const shown = JSON.parse(stdout) as { key: string; value: unknown; origin: string }[];
  const find = (key: string) => shown.find((one) => one.key === key);
  assert.equal(find('vm_pool.idle_timeout')?.value, 15);
  assert.match(find('vm_pool.idle_timeout')?.origin ?? '', /^config\.toml:\d+$/);
  assert.equal(find('database_nflow.dsn')?.value, '(hidden)');
  assert.equal(find('monitor.health_check_path')?.value, '/healthz');
  assert.equal(find('vars.rate')?.value, 0.21);
  assert.doesNotMatch(stdout + stderr, secrets);
});
