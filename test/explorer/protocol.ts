/**
 * The ownership and commit protocol, as small functions over the state of a gateway and of the store. This is the paper on which
 * the protocol is settled; `src/engine` and `src/store` do the same with real sockets. docs/explanation/ownership.md tells it in
 * words.
 *
 * Every rule that somebody might think superfluous is a field of `Rules`. `theRules` is the protocol; the tests turn the others on,
 * one at a time, and the explorer shows what each of them breaks.
 */
import { Broken } from './explore.ts';
import { type IssuedEffect, outputOf, type Program, type Result } from './program.ts';

export interface Rules {
  /**
   * How a batch proves that its incarnation is live. `share-lock`: SELECT … FOR KEY SHARE at its begin, held to its end.
   * `where`: the insert's own WHERE looks; under READ COMMITTED it sees what was true when the statement began.
   */
  fence: 'share-lock' | 'where';
  /** Whether a batch that finds its incarnation dead ends the gateway, or takes the refusal for a success. */
  whenFenced: 'exit' | 'go-on';
  /** When a taker reads the journals: in statements after the one that set `dead` was committed, or before. */
  takerReads: 'after-dead' | 'before-dead';
  /**
   * Whether the taker itself proves that it is live, in the transaction that re-owns. It need not: what a dead taker took belongs
   * to a dead incarnation again, and is found by the next. It does, so that every writing transaction begins alike.
   */
  takerIsFenced: boolean;
  /** Whether a taker whose commit was never answered finds, when it repeats, what it had taken without knowing. */
  takerFindsItsOwn: boolean;
  /** What is committed before an unsafe effect leaves. */
  unsafeEffectWaitsFor: 'row and results' | 'row' | 'nothing';
  /** Whether the answer waits for the commit of the end. */
  answerWaitsForCommit: boolean;
  /** Whether the end waits for effects that were issued and not awaited. */
  endWaitsForOpenEffects: boolean;
  /**
   * What an update says in its WHERE. The owner alone is not enough for a park: one whose connection was lost may be applied long
   * after, when the same gateway has claimed the execution again.
   */
  updatesCheck: 'owner and claim' | 'owner' | 'nothing';
  /**
   * What a gateway goes on sending of a start whose outcome it does not know when the request's time is over. The start again, and
   * the end after it: an insert waits for another insert of the same id that is still under way, an update does not see it.
   */
  afterGivingUp: 'start and end' | 'end' | 'forget';
  /** Whether the store ends a transaction that its client left open. */
  openTransactionsEnd: boolean;
  /** In which order a replay delivers. */
  replayOrder: 'recorded' | 'by number';
  /** Whether a replay attaches to effects that are under way, or sends them again. */
  replayAttaches: boolean;
}

export const theRules: Rules = {
  fence: 'share-lock',
  whenFenced: 'exit',
  takerReads: 'after-dead',
  takerIsFenced: true,
  takerFindsItsOwn: true,
  unsafeEffectWaitsFor: 'row and results',
  answerWaitsForCommit: true,
  endWaitsForOpenEffects: true,
  updatesCheck: 'owner and claim',
  afterGivingUp: 'start and end',
  openTransactionsEnd: true,
  replayOrder: 'recorded',
  replayAttaches: true,
};

/** Number of an incarnation, which is one life of one gateway. */
export type IncarnationId = number;

export interface Row {
  status: 'running' | 'waiting' | 'ended';
  owner: IncarnationId | null;
  /** How often it got an owner: goes up with every collect and claim. */
  claim: number;
  output: string | null;
}

/** What PostgreSQL holds: committed, and nothing else. */
export interface Store {
  incarnations: ('live' | 'dead')[];
  row: Row | null;
  journal: Result[];
}

/** What a gateway asks the store to commit. One at a time for an execution; a repeat is the same write. */
export type Write =
  | { kind: 'start'; records: Result[] }
  | { kind: 'append'; records: Result[] }
  | { kind: 'finish'; claim: number; records: Result[]; output: string }
  | { kind: 'end'; output: string }
  | { kind: 'park'; claim: number; records: Result[] }
  | { kind: 'settle'; claim: number }
  | { kind: 'bury'; incarnation: IncarnationId }
  | { kind: 'collect' }
  | { kind: 'claim' };

export type EffectState = 'held' | 'open' | 'answered';

/** An execution in the memory of a gateway. */
export interface Run {
  /** It has a row, as far as this gateway knows. */
  hasRow: boolean;
  /** The row's count when it became ours. */
  claim: number;
  /** Results in the order in which they were delivered: the journal in memory. */
  delivered: Result[];
  /** How many of those are known to be committed. */
  committed: number;
  /** What the VM has consumed: less than `delivered` while it replays. */
  consumed: Result[];
  /** Effects that were issued and not yet delivered, by number. */
  effects: Record<number, { key: string; state: EffectState; value: number }>;
  /** The client was told that the outcome is unknown: only the end is still to be settled. */
  isGivenUp: boolean;
}

export function createRun(): Run {
  return { hasRow: false, claim: 1, delivered: [], committed: 0, consumed: [], effects: {}, isGivenUp: false };
}

/** What a taker gets: the journal, and the claim that made it the owner. */
export interface Handed {
  claim: number;
  journal: Result[];
}

/** A run that goes on from what the store holds: every recorded result is delivered again before anything else happens. */
export function resume({ claim, journal }: Handed): Run {
  return { ...createRun(), hasRow: true, claim, delivered: [...journal], committed: journal.length };
}

// ---- delivery and replay ---------------------------------------------------------------------------------------------------------

export function isReplaying(run: Run): boolean {
  return run.consumed.length < run.delivered.length;
}

/** The next result of a replay, one crossing each, in the recorded order. */
export function replay(run: Run, rules: Rules): void {
  const rest = run.delivered.filter(({ seq }) => !run.consumed.some((done) => done.seq === seq));
  if (rules.replayOrder === 'by number') rest.sort((left, right) => left.seq - right.seq);
  run.consumed.push(rest[0] as Result);
}

/** An answered effect may be delivered once the replay is over. It need not be committed for that. */
export function mayDeliver(run: Run, seq: number): boolean {
  return !isReplaying(run) && run.effects[seq]?.state === 'answered' && !run.isGivenUp;
}

export function deliver(run: Run, seq: number): void {
  const effect = run.effects[seq];
  if (effect === undefined) throw new Broken(`effect ${seq} is not there to be delivered`);
  const result = { seq, value: effect.value };
  delete run.effects[seq];
  run.delivered.push(result);
  run.consumed.push(result);
}

/** The VM of the run is lost: the program starts again and is fed from the memory of the gateway. */
export function loseVm(run: Run, rules: Rules): void {
  run.consumed = [];
  for (const [seq, effect] of Object.entries(run.effects)) {
    if (effect.state === 'held' || !rules.replayAttaches) delete run.effects[Number(seq)];
  }
}

/**
 * Books what the program has issued so far. What matches a record or an effect under way attaches to it; the rest is held.
 * During a replay nothing new is booked: an effect may still turn out to be recorded further on.
 */
export function book(run: Run, program: Program): void {
  if (isReplaying(run)) return;
  for (const effect of program.issued(run.consumed)) {
    if (run.consumed.some(({ seq }) => seq === effect.seq)) continue;
    const known = run.effects[effect.seq];
    if (known === undefined) run.effects[effect.seq] = { key: effect.key, state: 'held', value: 0 };
    else if (known.key !== effect.key)
      throw new Broken(`the replay asks for ${effect.key} where ${known.key} is under way`);
  }
}

// ---- the commit order ------------------------------------------------------------------------------------------------------------

/** What the effect may depend on is committed, and so is the row. */
export function mayLeave(run: Run, effect: IssuedEffect, rules: Rules): boolean {
  if (isReplaying(run) || run.isGivenUp || run.effects[effect.seq]?.state !== 'held' || effect.kind === 'park')
    return false;
  if (effect.kind === 'safe' || rules.unsafeEffectWaitsFor === 'nothing') return true;
  return run.hasRow && (rules.unsafeEffectWaitsFor === 'row' || run.committed >= effect.after);
}

/** The next write of a run, or null when there is nothing to commit. */
export function nextWrite(run: Run, program: Program, rules: Rules): Write | null {
  if (run.isGivenUp) {
    if (rules.afterGivingUp === 'forget') return null;
    return { kind: 'settle', claim: run.claim };
  }
  if (isReplaying(run)) return null;
  const issued = program.issued(run.consumed);
  const open = issued.filter(({ seq }) => run.effects[seq] !== undefined);
  const records = run.delivered.slice(run.committed);
  if (program.isOver(run.consumed) && (open.length === 0 || !rules.endWaitsForOpenEffects)) {
    const output = outputOf(run.consumed);
    return run.hasRow ? { kind: 'finish', claim: run.claim, records, output } : { kind: 'end', output };
  }
  const waitsForCommit = open.some(({ seq, kind }) => kind !== 'safe' && run.effects[seq]?.state === 'held');
  if (!run.hasRow) return waitsForCommit ? { kind: 'start', records } : null;
  if (records.length > 0) return { kind: 'append', records };
  const [only] = open;
  if (only === undefined || open.length > 1 || only.kind !== 'park') return null;
  // What is awaited is a record as well: it is delivered when the execution has been claimed again.
  return { kind: 'park', claim: run.claim, records: [{ seq: only.seq, value: 1 }] };
}

// ---- the store's side: what a committed transaction changes ------------------------------------------------------------------------

function mayUpdate(row: Row | null, me: IncarnationId, claim: number, rules: Rules): row is Row {
  if (row === null || row.status === 'ended') return false;
  if (rules.updatesCheck === 'nothing') return true;
  return row.status === 'running' && row.owner === me && (rules.updatesCheck === 'owner' || row.claim === claim);
}

/** Journal rows are inserted ON CONFLICT DO NOTHING: a repeat adds nothing. */
function insertRecords(store: Store, records: readonly Result[]): void {
  for (const record of records) {
    const known = store.journal.find(({ seq }) => seq === record.seq);
    if (known === undefined) store.journal.push(record);
    else if (known.value !== record.value)
      throw new Broken(`F7: two commits for effect ${record.seq}: ${known.value} and ${record.value}`);
  }
}

function end(row: Row, output: string): void {
  if (row.status === 'ended' && row.output !== output)
    throw new Broken(`F1: ended twice, with "${row.output}" and "${output}"`);
  row.status = 'ended';
  row.output = output;
}

/** Output of an execution that was given up. */
export const timedOut = 'timed out';

/**
 * Applies one write of incarnation `me`. `read` is what a taker read earlier, for the rule that reads too early.
 * Returns what `collect` and `claim` hand to the gateway: the journal of the execution that is now its own, or null.
 */
export function commit(
  store: Store,
  me: IncarnationId,
  write: Write,
  isKnown: boolean,
  read: Result[],
  rules: Rules,
): Handed | null {
  switch (write.kind) {
    case 'start':
      // INSERT … ON CONFLICT (id) DO NOTHING
      store.row ??= { status: 'running', owner: me, claim: 1, output: null };
      insertRecords(store, write.records);
      return null;
    case 'append':
      insertRecords(store, write.records);
      return null;
    case 'finish':
      insertRecords(store, write.records);
      if (mayUpdate(store.row, me, write.claim, rules)) end(store.row, write.output);
      return null;
    case 'end':
      store.row ??= { status: 'ended', owner: me, claim: 1, output: write.output };
      return null;
    case 'park':
      insertRecords(store, write.records);
      if (mayUpdate(store.row, me, write.claim, rules)) [store.row.status, store.row.owner] = ['waiting', null];
      return null;
    case 'settle':
      if (store.row === null) {
        if (rules.afterGivingUp === 'start and end')
          store.row = { status: 'ended', owner: me, claim: 1, output: timedOut };
      } else if (mayUpdate(store.row, me, write.claim, rules)) end(store.row, timedOut);
      return null;
    case 'bury':
      store.incarnations[write.incarnation] = 'dead';
      return null;
    case 'collect': {
      const { row } = store;
      if (row?.status !== 'running' || row.owner === null) return null;
      const isOrphan = store.incarnations[row.owner] === 'dead';
      const isForgotten = rules.takerFindsItsOwn && row.owner === me && !isKnown;
      if (!isOrphan && !isForgotten) return null;
      if (isOrphan) [row.owner, row.claim] = [me, row.claim + 1];
      return { claim: row.claim, journal: rules.takerReads === 'after-dead' ? [...store.journal] : read };
    }
    case 'claim': {
      const { row } = store;
      const isDue = row?.status === 'waiting';
      const isForgotten = rules.takerFindsItsOwn && row?.status === 'running' && row.owner === me && !isKnown;
      if (row === null || (!isDue && !isForgotten)) return null;
      if (isDue) [row.status, row.owner, row.claim] = ['running', me, row.claim + 1];
      return { claim: row.claim, journal: [...store.journal] };
    }
  }
}
