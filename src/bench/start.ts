/** What a start costs, what many workflows cost, and what the first answer of a workflow costs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adminTokenPath, readAdminToken } from '../config/admin-token.ts';
import { NflowError } from '../errors.ts';
import { judge } from './bars.ts';
import type { BenchOptions, BenchReport } from './bench.ts';
import { compareLoads, measurementOf } from './load.ts';
import { describeMachine } from './machine.ts';
import { orderTotalCode } from './order.ts';
import { orderLoad, showRound } from './order-load.ts';
import type { BenchRow, Measurement } from './row.ts';
import { freePort, type ServerProcess, startServerProcess } from './server-process.ts';

export interface StartBenchSizes {
  /** Published in the larger of two servers. */
  workflows: number;
  /** Workflows whose first answer is measured, of each kind. */
  firstAnswers: number;
}

const defaultSizes: StartBenchSizes = { workflows: 10_000, firstAnswers: 20 };
const fewWorkflows = 10;
const publishedAtOnce = 1_000;
const connections = 32;
/** Time for the pool to warm the next VM, as it has between first requests to different workflows. */
const betweenFirstAnswersMs = 100;

/**
 * `start.cold` (an empty data folder) and `start.warm`, `start.10000workflows`, `route.10000workflows` beside ten workflows, and
 * `cold.firstAnswer`, `cold.firstAnswerWithUrl`: a first request to a workflow that was never run.
 */
export async function runStartBench(
  options: BenchOptions,
  sizes: StartBenchSizes = defaultSizes,
): Promise<BenchReport> {
  const machine = describeMachine();
  const folders: BenchFolder[] = [];
  const makeFolder = async (): Promise<BenchFolder> => {
    const folder = await BenchFolder.create();
    folders.push(folder);
    return folder;
  };
  try {
    const rows: BenchRow[] = [];
    const coldMs: number[] = [];
    let few = await makeFolder();
    for (let round = 1; round <= options.rounds; round++) {
      if (round > 1) few = await makeFolder();
      coldMs.push(await timeStart(few, options, `start.cold ${round}/${options.rounds}`));
    }
    rows.push(judge(timesOf('start.cold', coldMs)));
    const warmMs = await timeStarts(few, options, 'start.warm', () => publishMany(few, fewWorkflows, options));
    rows.push(judge(timesOf('start.warm', warmMs)));

    const many = await makeFolder();
    const published = await many.start();
    try {
      await publishMany(many, sizes.workflows, options);
    } finally {
      await published.stop();
    }
    const routes: BenchRow[] = [];
    const manyMs = await timeStarts(many, options, 'start.10000workflows', async (large) => {
      routes.push(judge(await compareRoutes(few, large, sizes.workflows, options)));
    });
    rows.push(judge(timesOf('start.10000workflows', manyMs)), ...routes);
    rows.push(...(await measureFirstAnswers(few, sizes.firstAnswers, options)));
    return { machine, rows };
  } finally {
    for (const folder of folders) folder.remove();
  }
}

/** A data folder with its configuration, for one start after the other. */
class BenchFolder {
  readonly #path: string;
  readonly #port: number;

  private constructor(path: string, port: number) {
    this.#path = path;
    this.#port = port;
  }

  static async create(): Promise<BenchFolder> {
    const path = mkdtempSync(join(tmpdir(), 'nflow-bench-'));
    const port = await freePort();
    mkdirSync(join(path, 'workflows'));
    writeFileSync(join(path, 'config.toml'), `[server]\nport = ${port}\n\n[log]\nlevel = "warn"\n`);
    return new BenchFolder(path, port);
  }

  start(): Promise<ServerProcess> {
    const at = (name: string): string => join(this.#path, name);
    return startServerProcess(this.#port, [
      '--config',
      at('config.toml'),
      '--workflows',
      at('workflows'),
      '--data',
      at('data'),
    ]);
  }

  /** Through the API of the running server. */
  async publish(definitions: object[]): Promise<void> {
    const token = readAdminToken(adminTokenPath(join(this.#path, 'data')));
    const answer = await fetch(`http://127.0.0.1:${this.#port}/nflow/api/v1/workflows`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ workflows: definitions.map((definition) => ({ definition })) }),
    });
    const report = (await answer.json()) as { published?: unknown[] };
    if (answer.ok && report.published?.length === definitions.length) return;
    throw new NflowError(
      'internal_error',
      `publishing failed: ${answer.status} ${JSON.stringify(report).slice(0, 500)}`,
    );
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/** What is done with the server once its start has been timed. */
type AfterStart = (server: ServerProcess) => Promise<void>;

async function timeStart(
  folder: BenchFolder,
  { onProgress }: BenchOptions,
  label: string,
  afterStart: AfterStart | null = null,
): Promise<number> {
  const server = await folder.start();
  try {
    onProgress(`${label}: ${Math.round(server.readyAfterMs)} ms`);
    await afterStart?.(server);
  } finally {
    await server.stop();
  }
  return server.readyAfterMs;
}

/** The server of the last round goes on to `afterLast`: a start costs seconds. */
async function timeStarts(
  folder: BenchFolder,
  options: BenchOptions,
  name: string,
  afterLast: AfterStart,
): Promise<number[]> {
  const times: number[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const afterStart = round === options.rounds ? afterLast : null;
    times.push(await timeStart(folder, options, `${name} ${round}/${options.rounds}`, afterStart));
  }
  return times;
}

/** To the folder's server, which has to run. */
async function publishMany(folder: BenchFolder, count: number, { onProgress }: BenchOptions): Promise<void> {
  const beganMs = performance.now();
  for (let from = 0; from < count; from += publishedAtOnce) {
    const length = Math.min(publishedAtOnce, count - from);
    await folder.publish(Array.from({ length }, (_, index) => numbered(from + index)));
  }
  onProgress(`published ${count} workflows in ${Math.round(performance.now() - beganMs)} ms`);
}

/** Half of them have a parameter in their path: those go another way through the routes. */
function numbered(index: number): object {
  const path = index % 2 === 0 ? `/bench/many/${index}` : `/bench/many/${index}/:id`;
  return workflow(`many-${index}`, path, orderTotalCode);
}

function workflow(name: string, path: string, code: string): object {
  return {
    format: 1,
    name,
    triggers: [{ type: 'http', method: 'POST', path }],
    durability: 'ephemeral',
    nodes: { total: { type: 'code', code } },
  };
}

/** Requests to a route with a parameter, on two servers that differ in how many workflows they have; the large one runs already. */
async function compareRoutes(
  few: BenchFolder,
  large: ServerProcess,
  count: number,
  options: BenchOptions,
): Promise<Measurement> {
  const small = await few.start();
  try {
    const last = count % 2 === 0 ? count - 1 : count - 2;
    const loads = await compareLoads(
      {
        'route.10workflows': orderLoad(small.port, `/bench/many/${fewWorkflows - 1}/x`, connections, options),
        'route.10000workflows': orderLoad(large.port, `/bench/many/${last}/x`, connections, options),
      },
      options.rounds,
      showRound(options),
    );
    return {
      ...measurementOf('route.10000workflows', loads['route.10000workflows']),
      floor: loads['route.10workflows'].perSecond,
      pssMiB: large.memoryMiB(),
    };
  } finally {
    await small.stop();
  }
}

async function measureFirstAnswers(folder: BenchFolder, count: number, options: BenchOptions): Promise<BenchRow[]> {
  const server = await folder.start();
  try {
    const kinds = [
      { name: 'cold.firstAnswer', path: 'plain', code: 'return { sum: input.body.a + 1 };' },
      {
        name: 'cold.firstAnswerWithUrl',
        path: 'url',
        code: "const url = new URL('https://example.com/a?b=1'); return { sum: input.body.a + url.searchParams.size };",
      },
    ];
    await folder.publish(
      kinds.flatMap(({ path, code }) =>
        Array.from({ length: count }, (_, index) =>
          workflow(`cold-${path}-${index}`, `/bench/cold/${path}/${index}`, code),
        ),
      ),
    );
    const rows: BenchRow[] = [];
    for (const { name, path } of kinds) {
      const times: number[] = [];
      let errors = 0;
      for (let index = 0; index < count; index++) {
        await new Promise((resolve) => setTimeout(resolve, betweenFirstAnswersMs));
        const { durationMs, body } = await post(server.port, `/bench/cold/${path}/${index}`, '{"a":1}');
        times.push(durationMs);
        if (body !== '{"sum":2}') errors++;
      }
      rows.push(judge({ ...timesOf(name, times), errors }));
      options.onProgress(`${name}: ${times.map((durationMs) => durationMs.toFixed(1)).join(' ')} ms`);
    }
    return rows;
  } finally {
    await server.stop();
  }
}

function post(port: number, path: string, body: string): Promise<{ durationMs: number; body: string }> {
  return new Promise((resolve, reject) => {
    const beganMs = performance.now();
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve({ durationMs: performance.now() - beganMs, body: text }));
      answer.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function timesOf(name: string, times: readonly number[]): Measurement {
  const sorted = times.toSorted((left, right) => left - right);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
  const meanMs = times.reduce((sum, durationMs) => sum + durationMs, 0) / times.length;
  return { name, perSecond: 1000 / meanMs, meanMs, p50Ms: at(0.5), p99Ms: at(0.99), errors: 0 };
}
