/** What a server says of itself at `/metrics`. */
import { NflowError } from '../errors.ts';

const wholeTimeoutMs = 30_000;
const lookIntervalMs = 100;

/** The value of a series, such as `nflow_runner_spare` or `nflow_executions_total{workflow="a",status="succeeded"}`; 0 when it is not there. */
export async function readMetric(port: number, series: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const line = (await answer.text()).split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** Resolves when the slow lane and the spare are up: they are started after the server is ready. */
export async function untilLanesAreUp(port: number): Promise<void> {
  const deadlineMs = performance.now() + wholeTimeoutMs;
  while (performance.now() < deadlineMs) {
    const [slow, spare] = [await readMetric(port, 'nflow_runner_slow'), await readMetric(port, 'nflow_runner_spare')];
    if (slow >= 2 && spare >= 1) return;
    await new Promise((resolve) => setTimeout(resolve, lookIntervalMs));
  }
  throw new NflowError('internal_error', `the lanes of the server were not up within ${wholeTimeoutMs / 1000} s`);
}
