/** wrk, where it is installed: a second opinion on the ratio, from a generator that costs less than ours. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Requests per second, or null when wrk is not installed or says nothing. */
export function measureWithWrk(url: string, body: string, connections: number, durationMs: number): number | null {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-wrk-'));
  try {
    const script = join(folder, 'post.lua');
    writeFileSync(
      script,
      `wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = ${JSON.stringify(body)}\n`,
    );
    const seconds = Math.max(1, Math.round(durationMs / 1000));
    const { status, stdout } = spawnSync('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: seconds * 1000 + 20_000,
    });
    const found = status === 0 ? /^Requests\/sec:\s+([\d.]+)/m.exec(stdout) : null;
    return found === null ? null : Number(found[1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
