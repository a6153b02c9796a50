/** Many clients, each with a connection and one request. In a process of their own: their sockets and their work are not the server's. */
import { connect } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { startChild } from './child.ts';
import type { LoadResult } from './load-generator.ts';
import { ResponseReader } from './response-reader.ts';
import { benchScript } from './script.ts';

export interface CrowdOptions {
  host: string;
  port: number;
  /** One request each, in turn. */
  paths: readonly string[];
  body: string;
  clients: number;
  /** They come at this rate. */
  perSecond: number;
  /** Null: they wait for the answer, which must be 200. Else they leave that long after they sent their request. */
  leavesAfterMs: number | null;
}

const turnMs = 10;
const nanosecondsPerMs = 1e6;

export async function generateCrowd(options: CrowdOptions): Promise<LoadResult> {
  const child = startChild(benchScript('crowd-worker'));
  const result = child.message<LoadResult>();
  child.process.send(options);
  return await result;
}

/** Resolves when every client has its answer, or has left. */
export async function runCrowd(options: CrowdOptions): Promise<LoadResult> {
  const { clients, perSecond, leavesAfterMs } = options;
  const histogram = createHistogram({ figures: 3 });
  const beganMs = performance.now();
  let answers = 0;
  let errors = 0;
  let firstError: string | null = null;
  const visits: Promise<void>[] = [];
  while (visits.length < clients) {
    const due = Math.min(clients, Math.ceil(((performance.now() - beganMs + turnMs) * perSecond) / 1000));
    while (visits.length < due) {
      const sentMs = performance.now();
      const visited = visit(options, visits.length).then(
        () => {
          answers++;
          if (leavesAfterMs === null)
            histogram.record(Math.max(1, Math.round((performance.now() - sentMs) * nanosecondsPerMs)));
        },
        (error: unknown) => {
          errors++;
          firstError ??= error instanceof Error ? error.message : String(error);
        },
      );
      visits.push(visited);
    }
    await new Promise((resolve) => setTimeout(resolve, turnMs));
  }
  await Promise.all(visits);
  const isTimed = histogram.count > 0;
  return {
    answers,
    perSecond: (answers * 1000) / (performance.now() - beganMs),
    meanMs: isTimed ? histogram.mean / nanosecondsPerMs : 0,
    p50Ms: isTimed ? histogram.percentile(50) / nanosecondsPerMs : 0,
    p99Ms: isTimed ? histogram.percentile(99) / nanosecondsPerMs : 0,
    errors,
    firstError,
  };
}

/** One client, from its connection to its answer, or until it leaves. */
function visit({ host, port, paths, body, leavesAfterMs }: CrowdOptions, index: number): Promise<void> {
  const path = paths[index % paths.length] as string;
  return new Promise((resolve, reject) => {
    const reader = new ResponseReader();
    const socket = connect({ host, port, noDelay: true }, () => {
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
      if (leavesAfterMs !== null) setTimeout(() => socket.destroy(), leavesAfterMs);
    });
    socket.on('data', (chunk: Buffer) => {
      let response: ReturnType<ResponseReader['push']>;
      try {
        response = reader.push(chunk);
      } catch (error) {
        reject(error);
        socket.destroy();
        return;
      }
      if (response === null) return;
      if (response.status === 200) resolve();
      else reject(new Error(`got ${response.status} ${response.body.toString('utf8', 0, 300)}`));
      socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (leavesAfterMs === null) reject(new Error('the server closed the connection'));
      else resolve();
    });
  });
}
