/**
 * Judges what a server that was killed again and again has done, by three witnesses: the clients' outcomes, the rows in the database
 * and the target's own log. It looks at the database and at the log right after each kill, before any successor runs.
 */
import assert from 'node:assert/strict';
import { until } from '../support/condition.ts';
import type { TargetEntry, TargetServer } from '../support/target-server.ts';
import { isAnswered, type Outcome } from './client.ts';
import { countBackends, type DatabaseContent, type ExecutionRow, readDatabase } from './database.ts';
import { orderEffects } from './order-workflow.ts';

interface Death {
  database: DatabaseContent;
  /** How many requests the target had got. */
  logged: number;
}

/** What happened, for the report. */
export interface CrashFigures {
  kills: number;
  runs: number;
  answered: number;
  broken: number;
  rows: number;
  /** Executions that had a row and were not over at a kill. */
  interrupted: number;
  succeeded: number;
  /** Ended because three servers in a row died while they had it, without progress. */
  givenUp: number;
  /** Results that were in the journal at a kill. */
  recorded: number;
  /** Effects performed again because the kill came before their record. */
  repeated: number;
}

const pathOf = (entry: TargetEntry): string => new URL(entry.path, 'http://target').pathname;

export class CrashJudge {
  readonly #target: TargetServer;
  readonly #deaths: Death[] = [];

  constructor(target: TargetServer) {
    this.#target = target;
  }

  /** To be called when the gateway is dead and nothing may start another. */
  async onDeath(dsn: string): Promise<void> {
    // What it had sent is settled once its backends and its connections are gone: then the two looks belong together.
    await until('the backends of the killed gateway to end', async () => (await countBackends(dsn)) === 0);
    await this.#untilTargetHasRead();
    this.#deaths.push({ database: await readDatabase(dsn), logged: this.#log().length });
  }

  /** Throws what does not hold. To be called when nothing is unfinished any more. */
  async assertHolds(dsn: string, outcomes: readonly Outcome[]): Promise<CrashFigures> {
    const { executions } = await readDatabase(dsn);
    const log = this.#log();
    const byId = new Map(executions.map((row) => [row.id, row]));
    this.#assertAnswers(outcomes, byId);
    assertOneRowARun(executions, outcomes);
    this.#assertTerminalOnce(byId);
    this.#assertRecordedOnce(log);
    this.#assertCommitOrder(log);
    this.#assertOnceALife(log);
    assertKeys(log);
    assertAllPerformed(executions, log);
    return this.#figures(executions, outcomes, log);
  }

  #log(): TargetEntry[] {
    return this.#target.log().filter(({ path }) => !path.startsWith('/fence'));
  }

  /** Requests that the dead gateway had written may still wait in the target's sockets: two of ours come after them. */
  async #untilTargetHasRead(): Promise<void> {
    for (let i = 0; i < 2; i++) await (await fetch(`${this.#target.url}/fence`)).arrayBuffer();
  }

  #assertAnswers(outcomes: readonly Outcome[], rows: Map<string, ExecutionRow>): void {
    for (const outcome of outcomes) {
      assert.notEqual(outcome.kind, 'silent', `${outcome.run} was never answered, and its connection stayed open`);
      if (!isAnswered(outcome)) continue;
      assert.equal(outcome.status, 200, `${outcome.run}: ${outcome.body}`);
      const row = rows.get(outcome.executionId ?? '');
      assert.ok(row !== undefined, `${outcome.run} was answered with 200 and has no row`);
      assert.equal(row.status, 'succeeded', `${outcome.run} was answered with 200`);
      assert.equal(row.run, outcome.run);
      assert.equal(row.output, outcome.body);
    }
  }

  /** Every row is over, and one that was over at a kill is as it was then. None is given up before three gateways died with it. */
  #assertTerminalOnce(rows: Map<string, ExecutionRow>): void {
    for (const row of rows.values()) {
      if (row.status === 'succeeded') continue;
      const ended = `${row.run} (${row.id}) ended as ${row.status}: ${row.error}`;
      assert.equal(row.status, 'crashed', ended);
      assert.match(row.error ?? '', /servers in a row/, ended);
      assert.ok(this.#interruptionsOf(row.id) >= 3, `${ended}, interrupted ${this.#interruptionsOf(row.id)} times`);
    }
    for (const { database } of this.#deaths) {
      for (const before of database.executions) {
        const after = rows.get(before.id);
        assert.ok(after !== undefined, `${before.run} (${before.id}) had a row and has none`);
        if (before.status === 'running') continue;
        assert.deepEqual(after, before, `${before.run} ended twice`);
      }
    }
  }

  #interruptionsOf(id: string): number {
    const isRunning = (row: ExecutionRow): boolean => row.id === id && row.status === 'running';
    return this.#deaths.filter(({ database }) => database.executions.some(isRunning)).length;
  }

  /** Nothing arrives at the target any more whose result was in the journal when the gateway died. */
  #assertRecordedOnce(log: TargetEntry[]): void {
    for (const [index, { database, logged }] of this.#deaths.entries()) {
      for (const entry of log.slice(logged)) {
        const path = pathOf(entry);
        assert.ok(
          !database.recorded.has(path),
          `${entry.method} ${path} was recorded before kill ${index + 1} and was performed again`,
        );
      }
    }
  }

  /** What had left when the gateway died had left by the rules: behind the row, and behind the record of every result before it. */
  #assertCommitOrder(log: TargetEntry[]): void {
    for (const [index, { database, logged }] of this.#deaths.entries()) {
      const rows = new Set(database.executions.map(({ run }) => run));
      for (const entry of log.slice(0, logged)) {
        const [, run = '', name = ''] = pathOf(entry).split('/');
        const effect = orderEffects[name];
        assert.ok(effect !== undefined, `nobody asked for ${entry.path}`);
        if (effect.isSafe) continue;
        assert.ok(rows.has(run), `${name} of ${run} left before its row was committed (kill ${index + 1})`);
        for (const before of effect.after) {
          const isRecorded = database.recorded.has(`/${run}/${before}`);
          assert.ok(isRecorded, `${name} of ${run} left before ${before} was recorded (kill ${index + 1})`);
        }
      }
    }
  }

  /** Within one life of a gateway nothing is performed twice, recorded or not. */
  #assertOnceALife(log: TargetEntry[]): void {
    const ends = [...this.#deaths.map(({ logged }) => logged), log.length];
    let begin = 0;
    for (const end of ends) {
      const seen = new Set<string>();
      for (const entry of log.slice(begin, end)) {
        const path = pathOf(entry);
        assert.ok(!seen.has(path), `${entry.method} ${path} was performed twice by one gateway`);
        seen.add(path);
      }
      begin = end;
    }
  }

  #figures(executions: ExecutionRow[], outcomes: readonly Outcome[], log: TargetEntry[]): CrashFigures {
    const interrupted = new Set<string>();
    const recorded = new Set<string>();
    for (const { database } of this.#deaths) {
      for (const row of database.executions) if (row.status === 'running') interrupted.add(row.id);
      for (const path of database.recorded) recorded.add(path);
    }
    return {
      kills: this.#deaths.length,
      runs: outcomes.length,
      answered: outcomes.filter(isAnswered).length,
      broken: outcomes.filter(({ kind }) => kind === 'broken').length,
      rows: executions.length,
      interrupted: interrupted.size,
      succeeded: executions.filter(({ status }) => status === 'succeeded').length,
      givenUp: executions.filter(({ status }) => status === 'crashed').length,
      recorded: recorded.size,
      repeated: log.length - new Set(log.map(pathOf)).size,
    };
  }
}

function assertOneRowARun(executions: ExecutionRow[], outcomes: readonly Outcome[]): void {
  const runs = executions.map(({ run }) => run);
  assert.equal(new Set(runs).size, runs.length, 'a run that was asked for once has two rows');
  const asked = new Set(outcomes.map(({ run }) => run));
  for (const run of runs) assert.ok(asked.has(run), `nobody asked for ${run}`);
}

/** A repeat carries the key of the first, and no two effects share one. */
function assertKeys(log: TargetEntry[]): void {
  const pathByKey = new Map<string, string>();
  const keyByPath = new Map<string, string>();
  for (const entry of log) {
    const path = pathOf(entry);
    const isSafe = orderEffects[path.split('/')[2] ?? '']?.isSafe ?? false;
    assert.equal(entry.idempotencyKey === null, isSafe, `${entry.method} ${path}: its key is ${entry.idempotencyKey}`);
    if (entry.idempotencyKey === null) continue;
    assert.equal(
      keyByPath.get(path) ?? entry.idempotencyKey,
      entry.idempotencyKey,
      `${path} was repeated under another key`,
    );
    assert.equal(pathByKey.get(entry.idempotencyKey) ?? path, path, 'two effects have one key');
    keyByPath.set(path, entry.idempotencyKey);
    pathByKey.set(entry.idempotencyKey, path);
  }
}

/** What is said to have succeeded has done all that its workflow does. */
function assertAllPerformed(executions: ExecutionRow[], log: TargetEntry[]): void {
  const performed = new Set(log.map(pathOf));
  for (const { run, status } of executions) {
    if (status !== 'succeeded') continue;
    for (const effect of Object.keys(orderEffects))
      assert.ok(performed.has(`/${run}/${effect}`), `${run} succeeded without ${effect}`);
  }
}
