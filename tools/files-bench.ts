/**
 * Sends a CSV of the given size (MiB, 2048 unless said) through a workflow that reads all of its rows, and says what memory the
 * server's processes took at most: `node bin/pinned-node.mjs tools/files-bench.ts --size 50`. The bar is 500 MiB, whatever the size.
 */
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startBenchServer } from '../src/bench/nflow-server.ts';

const mebibyte = 1024 * 1024;
const memoryBarMiB = 500;
const sampleIntervalMs = 250;
const rowsPerPiece = 1000;

const workflow = {
  format: 1,
  name: 'csv-import',
  timeout: '2h',
  triggers: [{ type: 'http', method: 'POST', path: '/bench/import', uploads: { maxSize: 64 * 1024 * mebibyte } }],
  nodes: {
    mark: { type: 'file', operation: 'write', path: 'mark', data: 'begun', next: 'read' },
    read: {
      type: 'code',
      code: `
        let rows = 0, total = 0;
        for await (const row of ctx.file.rows(input.body.files[0].path)) { rows++; total += Number(row.qty); }
        return { rows, total };`,
    },
  },
};

/** Rows as they come: the whole is never in memory here either. */
function* csvOf(size: number, sum: { rows: number; total: number }): Generator<Buffer> {
  yield Buffer.from('id,name,note,qty\r\n');
  for (let sent = 0; sent < size; ) {
    let piece = '';
    for (let i = 0; i < rowsPerPiece; i++) {
      const qty = sum.rows % 97;
      piece += `${sum.rows},item ${sum.rows},"a note, quoted,\nover two lines",${qty}\r\n`;
      sum.rows++;
      sum.total += qty;
    }
    sent += piece.length;
    yield Buffer.from(piece);
  }
}

async function send(port: number, size: number, sum: { rows: number; total: number }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const req = request(
    {
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/bench/import',
      headers: { 'content-type': 'multipart/form-data; boundary=csv' },
    },
    (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      res.on('end', () => resolve(text));
    },
  );
  req.on('error', reject);
  const body = function* (): Generator<Buffer> {
    yield Buffer.from(
      '--csv\r\ncontent-disposition: form-data; name="file"; filename="big.csv"\r\ncontent-type: text/csv\r\n\r\n',
    );
    yield* csvOf(size, sum);
    yield Buffer.from('\r\n--csv--\r\n');
  };
  await pipeline(Readable.from(body()), req);
  process.stdout.write('sent; reading\n');
  return promise;
}

const { values } = parseArgs({ options: { size: { type: 'string', default: '2048' } } });
const size = Number(values.size) * mebibyte;
if (!(size > 0)) throw new Error(`--size takes a number of MiB; got ${values.size}`);

// Gigabytes take longer than the usual minute.
process.env.NFLOW_SERVER__REQUEST_TIMEOUT = '1h';
const server = await startBenchServer(null, { definitions: [workflow] });
const idleMiB = server.memoryMiB();
let peakMiB = 0;
let isOver = false;
const sampling = (async () => {
  while (!isOver) {
    peakMiB = Math.max(peakMiB, server.memoryMiB() ?? 0);
    await wait(sampleIntervalMs);
  }
})();
try {
  const beganMs = performance.now();
  const sum = { rows: 0, total: 0 };
  const answer = JSON.parse(await send(server.port, size, sum)) as typeof sum;
  const seconds = (performance.now() - beganMs) / 1000;
  if (answer.rows !== sum.rows || answer.total !== sum.total)
    throw new Error(`sent ${JSON.stringify(sum)}, got ${JSON.stringify(answer)}`);
  process.stdout.write(
    `${values.size} MiB, ${sum.rows} rows in ${seconds.toFixed(1)} s; peak ${peakMiB} MiB of gateway and runners (idle ${idleMiB}), the bar is ${memoryBarMiB}\n`,
  );
  process.exitCode = peakMiB < memoryBarMiB ? 0 : 1;
} finally {
  isOver = true;
  await sampling;
  await server.stop();
}
