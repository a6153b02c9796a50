/** Three times what a server can do, for a while: what is refused, how fast, what memory does, and when it is over. */
import { setTimeout as delay } from 'node:timers/promises';
import { proportionalMemoryMiB } from '../../src/bench/memory.ts';
import type { NflowServer } from '../support/nflow-server.ts';
import { AbuseClient } from './client.ts';
import { readSettledState } from './server-state.ts';

/** CPU of one run: the server can do about this many a second in one runner, on a core of its own. */
const runMs = 20;
const calmSeconds = 2;
/** Enough for all of its runners. */
const calmClients = 16;
const overload = 3;
const roundsMax = 4;
/** Deadlines are judged at five times their value: the load and what it is judged by share the machine with the server. */
const slack = 5;
export const refusalMsMax = 50 * slack;
const recoveryMsMax = 5_000 * slack;
/** Of gateway and runners, beyond what they had before. */
const growthMiBMax = 400;
const memoryIntervalMs = 250;

const request = 'POST /busy HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';

export const overloadWorkflows: Record<string, object> = {
  busy: {
    format: 1,
    name: 'busy',
    triggers: [{ type: 'http', method: 'POST', path: '/busy' }],
    durability: 'ephemeral',
    nodes: {
      work: {
        type: 'code',
        code: `let x = 0; for (let i = 0; i < ${runMs} * 100_000; i++) x = (x * 31 + i) | 0; return x;`,
      },
    },
  },
};

export interface OverloadReport {
  seconds: number;
  /** What it can do: runs a second that a few clients get done. */
  capacityPerSecond: number;
  /** What it was asked. */
  askedPerSecond: number;
  asked: number;
  succeeded: number;
  /** With 503. */
  refused: number;
  /** How long refusals took, from the connection on. */
  refusedP50Ms: number;
  refusedP90Ms: number;
  refusedP99Ms: number;
  refusedMaxMs: number;
  /** Refusals that took longer than is judged. */
  refusedLate: number;
  /** Of gateway and runners, before and at its highest. */
  beforeMiB: number;
  mostMiB: number;
  /** From the last answer of the overload to the first quick result; null when there was none in time. */
  recoveredMs: number | null;
  /** The gateway is the one of before. */
  isSameGateway: boolean;
}

interface Seen {
  status: number;
  ms: number;
}

/** The server must serve `overloadWorkflows`. */
export async function playOverload(server: NflowServer, seconds: number): Promise<OverloadReport> {
  const port = Number(new URL(server.address).port);
  await readSettledState(server);
  const capacityPerSecond = await measureCapacity(port);
  const { gatewayPid } = await readSettledState(server);
  const readMiB = (): number => proportionalMemoryMiB(gatewayPid, /./) ?? 0;

  const beforeMiB = readMiB();
  let mostMiB = beforeMiB;
  const watch = setInterval(() => {
    mostMiB = Math.max(mostMiB, readMiB());
  }, memoryIntervalMs);
  let seen: Seen[] = [];
  let askedPerSecond = capacityPerSecond * overload;
  try {
    // Where other programs made way meanwhile, it is not three times any more.
    for (let round = 1; ; round++, askedPerSecond *= 2) {
      seen = await drive(port, askedPerSecond, seconds);
      if (round === roundsMax || isOverloaded(seen.length, countOf(seen, 503))) break;
    }
  } finally {
    clearInterval(watch);
  }
  const recoveredMs = await recover(port);
  const refusedMs = seen.filter(({ status }) => status === 503).map(({ ms }) => ms);
  return {
    seconds,
    capacityPerSecond: Math.round(capacityPerSecond),
    askedPerSecond: Math.round(askedPerSecond),
    asked: seen.length,
    succeeded: countOf(seen, 200),
    refused: refusedMs.length,
    refusedP50Ms: quantile(refusedMs, 0.5),
    refusedP90Ms: quantile(refusedMs, 0.9),
    refusedP99Ms: quantile(refusedMs, 0.99),
    refusedMaxMs: quantile(refusedMs, 1),
    refusedLate: refusedMs.filter((ms) => ms >= refusalMsMax).length,
    beforeMiB: Math.round(beforeMiB),
    mostMiB: Math.round(mostMiB),
    recoveredMs,
    isSameGateway: (await readSettledState(server)).gatewayPid === gatewayPid,
  };
}

/** What is not as it must be: empty when all is well. */
export function overloadMistakes(report: OverloadReport): string[] {
  const must: readonly [isSo: boolean, what: string][] = [
    [report.succeeded + report.refused === report.asked, 'every request is answered with a result or a 503'],
    [isOverloaded(report.asked, report.refused), 'it was too much'],
    [report.succeeded > report.capacityPerSecond, 'it goes on working meanwhile'],
    // The median: the process that asks and measures gets no more of the busy machine than the server.
    [report.refusedP50Ms < refusalMsMax, `it refuses within ${refusalMsMax} ms`],
    [report.mostMiB < report.beforeMiB + growthMiBMax, `its memory grows by less than ${growthMiBMax} MiB`],
    [report.recoveredMs !== null, `it is back to normal within ${recoveryMsMax} ms`],
    [report.isSameGateway, 'its gateway lives on'],
  ];
  return must.filter(([isSo]) => !isSo).map(([, what]) => what);
}

async function measureCapacity(port: number): Promise<number> {
  let done = 0;
  const untilMs = performance.now() + calmSeconds * 1000;
  const client = async (n: number): Promise<void> => {
    while (performance.now() < untilMs) if ((await ask(port, n)).status === 200) done++;
  };
  await Promise.all(Array.from({ length: calmClients }, (_, n) => client(n)));
  return done / calmSeconds;
}

/** Asks so many times a second, whatever becomes of it. */
async function drive(port: number, perSecond: number, seconds: number): Promise<Seen[]> {
  const asked: Promise<Seen>[] = [];
  const startMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < seconds * 1000; elapsedMs = performance.now() - startMs) {
    const due = (elapsedMs / 1000) * perSecond;
    while (asked.length < due) asked.push(ask(port, asked.length));
    await delay(5);
  }
  return Promise.all(asked);
}

/** Asks again and again until a result comes quickly. */
async function recover(port: number): Promise<number | null> {
  const startMs = performance.now();
  for (;;) {
    const { status, ms } = await ask(port, 0);
    const tookMs = performance.now() - startMs;
    if (tookMs > recoveryMsMax) return null;
    if (status === 200 && ms < refusalMsMax) return tookMs;
  }
}

async function ask(port: number, n: number): Promise<Seen> {
  const startMs = performance.now();
  const client = await AbuseClient.connect(port, n);
  client?.send(request);
  const answer = (await client?.answer()) ?? null;
  client?.close();
  return { status: answer?.status ?? 0, ms: performance.now() - startMs };
}

function isOverloaded(asked: number, refused: number): boolean {
  return refused > asked / 20;
}

function countOf(seen: readonly Seen[], status: number): number {
  return seen.filter((one) => one.status === status).length;
}

function quantile(values: readonly number[], share: number): number {
  return Math.round(values.toSorted((left, right) => left - right)[Math.floor((values.length - 1) * share)] ?? 0);
}
