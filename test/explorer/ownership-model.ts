/**
 * Two gateways, one execution, one PostgreSQL, and everything that can go wrong between them.
 *
 * Nothing here knows time: a gateway may be as slow as it likes between any two actions, so "wakes up late after it was taken
 * over" is among the explored paths. What the lease adds is in `lease-model.ts`.
 *
 * A transaction goes through what PostgreSQL goes through:
 *
 *   (begin) ──► fenced ──► sent ──► applied ──► (its gateway learns)
 *                 │          │         '─ the connection may be lost in any of them; the gateway then knows nothing, and
 *                 │          '─ a COMMIT that was sent may still be applied, long after its gateway is gone
 *                 '─ holds FOR KEY SHARE on its incarnation's row, from here until it is applied or rolled back
 */
import { type Action, Broken, type Model } from './explore.ts';
import type { Program, Result } from './program.ts';
import { outputOf } from './program.ts';
import {
  book,
  commit,
  createRun,
  deliver,
  type Handed,
  type IncarnationId,
  isReplaying,
  loseVm,
  mayDeliver,
  mayLeave,
  nextWrite,
  type Rules,
  type Run,
  replay,
  resume,
  type Store,
  timedOut,
  type Write,
} from './protocol.ts';

interface Gateway {
  /** `frozen` does nothing more, but its connections stay open (SIGSTOP, a lost network). */
  state: 'up' | 'frozen' | 'gone';
  run: Run | null;
  /** Under way, or, when `isUnknown`, to be sent again. */
  write: { write: Write; isUnknown: boolean } | null;
  /** What it read before it set an incarnation dead; only the broken rule looks at it. */
  read: Result[];
  /** Keys of the effects that it has sent. */
  sent: string[];
}

interface Transaction {
  from: IncarnationId;
  write: Write;
  phase: 'fenced' | 'sent' | 'applied';
  /** False when nobody waits for the answer any more. */
  hasClient: boolean;
  handed: Handed | null;
}

/** How many faults of each kind may happen on one path. */
export interface Faults {
  /** A gateway is killed. */
  crashes: number;
  freezes: number;
  /** A living gateway is taken for dead. */
  suspicions: number;
  /** A connection to PostgreSQL is lost, in any phase of its transaction. */
  losses: number;
  /** The time of the request is over before a commit is answered. */
  giveUps: number;
  lostVms: number;
}

export const noFaults: Faults = { crashes: 0, freezes: 0, suspicions: 0, losses: 0, giveUps: 0, lostVms: 0 };

export interface State {
  store: Store;
  gateways: Gateway[];
  transactions: Transaction[];
  /** Keys of the unsafe effects that anybody ever sent: the target may perform them, now or much later. */
  sentUnsafe: string[];
  client: 'waiting' | 'broken' | 'told unknown' | 'told parked' | { answer: string };
  left: Faults;
}

/** Lives of gateways on one path: two, and as many restarts. */
const incarnationsMax = 4;

function createGateway(run: Run | null): Gateway {
  return { state: 'up', run, write: null, read: [], sent: [] };
}

export function createOwnershipModel(program: Program, rules: Rules, faults: Faults): Model<State> {
  const run = createRun();
  book(run, program);
  const initial: State = {
    store: { incarnations: ['live', 'live'], row: null, journal: [] },
    gateways: [createGateway(run), createGateway(null)],
    transactions: [],
    sentUnsafe: [],
    client: 'waiting',
    left: faults,
  };
  return {
    initial,
    actions: (state) => [...actionsOfGateways(state, program, rules), ...actionsOfStore(state, program, rules)],
    check: (state) => check(state, program),
    isSettled: ({ client, store }) => client !== 'waiting' && (store.row === null || store.row.status === 'ended'),
  };
}

const nameOf = (id: IncarnationId): string => `gateway ${'ABCDEFGH'[id]}`;

function gatewayOf(state: State, id: IncarnationId): Gateway {
  return state.gateways[id] as Gateway;
}

function runOf(state: State, id: IncarnationId): Run {
  return gatewayOf(state, id).run as Run;
}

// ---- gateways --------------------------------------------------------------------------------------------------------------------

function actionsOfGateways(state: State, program: Program, rules: Rules): Action<State>[] {
  const actions: Action<State>[] = [];
  const may = (label: string, apply: (state: State) => void) => actions.push({ label, fault: false, apply });
  const fault = (kind: keyof Faults, label: string, apply: (state: State) => void) => {
    if (state.left[kind] === 0) return;
    actions.push({
      label: `FAULT ${label}`,
      fault: true,
      apply(next) {
        next.left[kind]--;
        apply(next);
      },
    });
  };

  for (const [me, gateway] of state.gateways.entries()) {
    if (gateway.state === 'gone') continue;
    const name = nameOf(me);
    if (gateway.state === 'frozen') continue;
    if (isInvolved(state, me)) {
      fault('crashes', `${name} is killed`, (next) => leaveWorld(next, me, 'gone'));
      fault('freezes', `${name} freezes`, (next) => leaveWorld(next, me, 'frozen'));
    }

    const { run, write } = gateway;
    if (run !== null) {
      if (isReplaying(run)) {
        may(`${name} replays one result`, (next) => {
          replay(runOf(next, me), rules);
          book(runOf(next, me), program);
        });
      }
      for (const [seq, { key, state: effectState }] of Object.entries(run.effects)) {
        if (effectState === 'open')
          may(`the target answers ${key} to ${name}`, (next) => receive(next, me, Number(seq)));
      }
      for (const effect of program.issued(run.consumed)) {
        if (mayDeliver(run, effect.seq)) {
          may(`${name} delivers the result of ${effect.key}`, (next) => {
            deliver(runOf(next, me), effect.seq);
            book(runOf(next, me), program);
          });
        }
        if (mayLeave(run, effect, rules))
          may(`${name} sends ${effect.key}`, (next) => leave(next, me, effect.seq, program));
      }
      if (run.consumed.length > 0) {
        fault('lostVms', `${name} loses the VM`, (next) => {
          loseVm(runOf(next, me), rules);
          book(runOf(next, me), program);
        });
      }
    }

    if (write?.isUnknown === true) {
      may(`${name} sends "${write.write.kind}" again`, (next) => begin(next, me, write.write, rules));
      if (me === 0 && state.client === 'waiting' && run !== null) {
        fault('giveUps', `${name} tells the client that the outcome is unknown`, (next) => giveUp(next, rules));
      }
    }
    if (write !== null) continue;
    const next = run === null ? null : nextWrite(run, program, rules);
    if (next !== null) may(`${name} begins "${next.kind}"`, (draft) => begin(draft, me, next, rules));
    for (const [peer, { state: peerState }] of state.gateways.entries()) {
      if (peer === me || state.store.incarnations[peer] === 'dead' || !isInvolved(state, peer)) continue;
      const label = `${name} begins to bury ${nameOf(peer)}`;
      const bury = (draft: State) => begin(draft, me, { kind: 'bury', incarnation: peer }, rules);
      if (peerState === 'up') fault('suspicions', label, bury);
      else may(label, bury);
    }
    const { row, incarnations } = state.store;
    if (run === null && row?.status === 'running' && row.owner !== null && incarnations[row.owner] === 'dead') {
      may(`${name} begins "collect"`, (draft) => begin(draft, me, { kind: 'collect' }, rules));
    }
    if (row?.status === 'waiting' && run === null)
      may(`${name} begins "claim"`, (draft) => begin(draft, me, { kind: 'claim' }, rules));
  }

  const up = state.gateways.filter((gateway) => gateway.state === 'up').length;
  const isWanted = state.store.row !== null && state.store.row.status !== 'ended';
  if (up < 2 && isWanted && state.gateways.length < incarnationsMax) {
    may(`${nameOf(state.gateways.length)} is started`, (next) => {
      next.gateways.push(createGateway(null));
      next.store.incarnations.push('live');
    });
  }
  return actions;
}

/**
 * Whether a gateway has anything to do with the execution, or is about to. The faults of the others change nothing that matters,
 * and leaving them out is what keeps the space small.
 */
function isInvolved(state: State, me: IncarnationId): boolean {
  const { row, incarnations } = state.store;
  const { run, write } = gatewayOf(state, me);
  const isOrphan = row?.status === 'running' && row.owner !== null && incarnations[row.owner] === 'dead';
  return (
    run !== null ||
    write !== null ||
    row?.owner === me ||
    isOrphan ||
    state.transactions.some(({ from }) => from === me)
  );
}

/** A gateway is gone or frozen: what it had in memory is lost; what it had sent is not. */
function leaveWorld(state: State, me: IncarnationId, how: 'gone' | 'frozen'): void {
  const gateway = gatewayOf(state, me);
  gateway.state = how;
  gateway.run = null;
  gateway.write = null;
  gateway.read = [];
  gateway.sent = [];
  if (me === 0 && state.client === 'waiting') state.client = 'broken';
  state.transactions = state.transactions.filter((transaction) => {
    if (transaction.from !== me) return true;
    transaction.hasClient = false;
    // PostgreSQL rolls back what a closed connection left open; a frozen client's connection is not closed.
    return transaction.phase === 'sent' || (transaction.phase === 'fenced' && how === 'frozen');
  });
}

function leave(state: State, me: IncarnationId, seq: number, program: Program): void {
  const gateway = gatewayOf(state, me);
  const run = gateway.run as Run;
  const effect = program.issued(run.consumed).find((issued) => issued.seq === seq);
  const booked = run.effects[seq];
  if (effect === undefined || booked === undefined) throw new Broken(`effect ${seq} is not there to be sent`);
  const { store } = state;
  if (gateway.sent.includes(effect.key)) throw new Broken(`F2: ${effect.key} is sent twice by one gateway`);
  const isOwner = store.incarnations[me] === 'live' && store.row?.owner === me;
  if (isOwner && store.journal.some((record) => record.seq === seq))
    throw new Broken(`F2: ${effect.key} is recorded and sent again by its owner`);
  if (effect.kind === 'unsafe') {
    if (store.row === null) throw new Broken(`F3: ${effect.key} leaves before the execution has a row`);
    const needed = outputOf(run.consumed.slice(0, effect.after));
    const committed = outputOf(store.journal.slice(0, effect.after));
    if (needed !== committed)
      throw new Broken(`F2: ${effect.key} leaves and depends on "${needed}"; committed is "${committed}"`);
  }
  booked.state = 'open';
  gateway.sent = [...gateway.sent, effect.key].sort();
  if (effect.kind === 'unsafe' && !state.sentUnsafe.includes(effect.key)) {
    state.sentUnsafe = [...state.sentUnsafe, effect.key].sort();
  }
}

/** Each gateway gets another value: a result that is performed twice is never the same result. */
function receive(state: State, me: IncarnationId, seq: number): void {
  const effect = runOf(state, me).effects[seq];
  if (effect === undefined) throw new Broken(`effect ${seq} is answered and nobody waits for it`);
  effect.state = 'answered';
  effect.value = me + 1;
}

function giveUp(state: State, rules: Rules): void {
  const gateway = gatewayOf(state, 0);
  state.client = 'told unknown';
  gateway.write = null;
  if (rules.afterGivingUp === 'forget') gateway.run = null;
  else runOf(state, 0).isGivenUp = true;
}

// ---- transactions ----------------------------------------------------------------------------------------------------------------

/** An execution that ends without ever having had a row belongs to nobody, and a taker's mark needs no proof of its own. */
const needsFence = (write: Write, rules: Rules): boolean =>
  write.kind !== 'end' && write.kind !== 'bury' && (write.kind !== 'collect' || rules.takerIsFenced);

function begin(state: State, me: IncarnationId, write: Write, rules: Rules): void {
  const gateway = gatewayOf(state, me);
  gateway.write = { write, isUnknown: false };
  if (write.kind === 'bury') gateway.read = [...state.store.journal];
  if (!rules.answerWaitsForCommit && (write.kind === 'finish' || write.kind === 'end')) answer(state, me, write.output);
  const phase = needsFence(write, rules) ? 'fenced' : 'sent';
  if (phase === 'fenced' && state.store.incarnations[me] === 'dead') {
    if (rules.whenFenced === 'exit') leaveWorld(state, me, 'gone');
    else learn(state, me, write, null);
    return;
  }
  state.transactions.push({ from: me, write, phase, hasClient: true, handed: null });
}

/** Whether a transaction holds FOR KEY SHARE on the row of this incarnation. */
function holdsFence({ from, phase, write }: Transaction, incarnation: IncarnationId, rules: Rules): boolean {
  return rules.fence === 'share-lock' && needsFence(write, rules) && from === incarnation && phase !== 'applied';
}

function actionsOfStore(state: State, program: Program, rules: Rules): Action<State>[] {
  const actions: Action<State>[] = [];
  for (const [index, transaction] of state.transactions.entries()) {
    const { from, write, phase, hasClient } = transaction;
    const what = `"${write.kind}" of ${nameOf(from)}`;
    const may = (label: string, apply: (state: State) => void) => actions.push({ label, fault: false, apply });
    const remove = (next: State) => next.transactions.splice(index, 1);
    if (phase === 'fenced' && hasClient)
      may(`${nameOf(from)} sends the rows and COMMIT of "${write.kind}"`, (next) => send(next, index));
    if (phase === 'fenced' && !hasClient && rules.openTransactionsEnd) may(`PostgreSQL ends the open ${what}`, remove);
    if (phase === 'sent') {
      // FOR UPDATE waits for every FOR KEY SHARE.
      const isBlocked =
        write.kind === 'bury' && state.transactions.some((other) => holdsFence(other, write.incarnation, rules));
      if (!isBlocked) may(`PostgreSQL commits ${what}`, (next) => apply(next, index, rules));
      if (!hasClient) may(`PostgreSQL rolls back ${what}`, remove);
    }
    if (phase === 'applied') {
      may(`${nameOf(from)} learns that "${write.kind}" is committed`, (next) => {
        remove(next);
        learn(next, from, write, transaction.handed);
        const { run } = gatewayOf(next, from);
        if (run !== null) book(run, program);
      });
    }
    if (hasClient && state.left.losses > 0) {
      actions.push({
        label: `FAULT the connection of ${what} is lost`,
        fault: true,
        apply(next) {
          next.left.losses--;
          const lost = next.transactions[index] as Transaction;
          lost.hasClient = false;
          if (lost.phase !== 'sent') remove(next);
          (gatewayOf(next, from).write as { isUnknown: boolean }).isUnknown = true;
        },
      });
    }
  }
  return actions;
}

function send(state: State, index: number): void {
  (state.transactions[index] as Transaction).phase = 'sent';
}

function apply(state: State, index: number, rules: Rules): void {
  const transaction = state.transactions[index] as Transaction;
  const { from, write } = transaction;
  if (needsFence(write, rules) && state.store.incarnations[from] === 'dead') {
    throw new Broken(`F7: "${write.kind}" of ${nameOf(from)} is committed after ${nameOf(from)} was set dead`);
  }
  const gateway = gatewayOf(state, from);
  transaction.handed = commit(state.store, from, write, gateway.run !== null, gateway.read, rules);
  transaction.phase = 'applied';
  if (!transaction.hasClient) state.transactions.splice(index, 1);
}

/** The gateway hears that its write is committed. */
function learn(state: State, me: IncarnationId, write: Write, handed: Handed | null): void {
  const gateway = gatewayOf(state, me);
  gateway.write = null;
  const { run } = gateway;
  switch (write.kind) {
    case 'start':
    case 'append':
      if (run === null) return;
      run.hasRow = true;
      run.committed += write.records.length;
      return;
    case 'finish':
    case 'end':
      answer(state, me, write.output);
      gateway.run = null;
      return;
    case 'settle':
      gateway.run = null;
      return;
    case 'park':
      gateway.run = null;
      if (me === 0 && state.client === 'waiting') state.client = 'told parked';
      return;
    case 'collect':
    case 'claim':
      if (handed !== null) gateway.run = resume(handed);
      return;
    case 'bury':
      return;
  }
}

function answer(state: State, me: IncarnationId, output: string): void {
  if (me === 0 && state.client === 'waiting') state.client = { answer: output };
}

// ---- what must hold in every state -----------------------------------------------------------------------------------------------

function check(state: State, program: Program): string | null {
  const { store, client, sentUnsafe, gateways } = state;
  const { row, journal } = store;
  if (typeof client === 'object' && (row?.status !== 'ended' || row.output !== client.answer)) {
    return `F1: the client was answered "${client.answer}"; the row is ${JSON.stringify(row)}`;
  }
  const issued = program.issued(journal);
  for (const key of sentUnsafe) {
    if (!issued.some((effect) => effect.key === key)) {
      return `F2: ${key} has left, but the recorded history "${outputOf(journal)}" does not lead to it`;
    }
  }
  if (row?.status === 'ended' && row.output !== timedOut && journal.length > 0) {
    if (row.output !== outputOf(journal))
      return `F1: the output is "${row.output}", the recorded history is "${outputOf(journal)}"`;
    const open = issued.find(({ seq }) => !journal.some((record) => record.seq === seq));
    if (open !== undefined) return `the execution has ended and ${open.key} is not recorded`;
  }
  for (const [me, { state: gatewayState, run, write }] of gateways.entries()) {
    if (
      gatewayState !== 'up' ||
      store.incarnations[me] !== 'live' ||
      run?.hasRow !== true ||
      run.isGivenUp ||
      write !== null
    )
      continue;
    if (row?.owner !== me || row.status !== 'running') {
      return `F7: ${nameOf(me)} is live and runs the execution; the row is ${JSON.stringify(row)}`;
    }
  }
  return null;
}
