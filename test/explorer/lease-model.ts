/**
 * The lease, with time: two gateways that beat, watch each other and lose PostgreSQL, each on a clock of its own.
 *
 * Time goes in rounds. A unit is a sixth of a lease, so the figures are those of the code: lease 15 s, beat 5 s, half a lease
 * 7.5 s. A clock may be slow by half against the other one; wall clocks may be any distance apart.
 */
import { type Action, Broken, type Model } from './explore.ts';

export interface LeaseRules {
  leaseUnits: number;
  beatUnits: number;
  /** No effect leaves once the own beat is this old. */
  mayActUnits: number;
  /** What is watched: whether the count moved, by the watcher's own clock; or how old the peer's own time stamp looks. */
  judges: 'own clock' | 'time stamps';
  /** Whether what was seen through a lost connection counts for nothing. */
  forgetsWhenDisconnected: boolean;
}

export const theLeaseRules: LeaseRules = {
  leaseUnits: 6,
  beatUnits: 2,
  mayActUnits: 3,
  judges: 'own clock',
  forgetsWhenDisconnected: true,
};

/** A gateway gets its connection back within so many rounds after PostgreSQL is there again. */
const reconnectRoundsMax = 2;

interface Peer {
  isAlive: boolean;
  isTakenOver: boolean;
  /** Its own way to PostgreSQL. */
  hasLink: boolean;
  /** Its link was cut since its last beat: who takes it over is right. */
  wasCut: boolean;
  isConnected: boolean;
  roundsWithout: number;
  /** Its clock stood still in the last round: it may not do so twice. */
  lagged: boolean;
  /** By its own clock; capped one past the lease. */
  sinceBeat: number;
  /** For how long it has seen the other's count stand still; null when it does not watch. */
  otherStoodStill: number | null;
  /** The other has beaten since this one looked last. */
  hasNews: boolean;
}

export interface LeaseState {
  isStoreUp: boolean;
  peers: [Peer, Peer];
  left: { outages: number; cuts: number; crashes: number };
}

export function createLeaseModel(
  rules: LeaseRules,
  wallClockSkewUnits: number,
  left: LeaseState['left'],
): Model<LeaseState> {
  const peer: Peer = {
    isAlive: true,
    isTakenOver: false,
    hasLink: true,
    wasCut: false,
    isConnected: true,
    roundsWithout: 0,
    lagged: false,
    sinceBeat: 0,
    otherStoodStill: 0,
    hasNews: false,
  };
  return {
    initial: { isStoreUp: true, peers: [peer, { ...peer }], left },
    actions: (state) => [...roundsOf(state, rules, wallClockSkewUnits), ...faultsOf(state, rules), ...repairsOf(state)],
    check: (state) => check(state, rules),
    isSettled: ({ peers }) =>
      peers.every((one) => one.isAlive || one.isTakenOver) || peers.every((one) => !one.isAlive),
  };
}

const names = ['A', 'B'] as const;

/** One round for every choice of which clocks stand still and which lost connections come back. */
function roundsOf(state: LeaseState, rules: LeaseRules, skew: number): Action<LeaseState>[] {
  const actions: Action<LeaseState>[] = [];
  for (let choice = 0; choice < 16; choice++) {
    const lags = [(choice & 1) !== 0, (choice & 2) !== 0] as const;
    const reconnects = [(choice & 4) !== 0, (choice & 8) !== 0] as const;
    const isPossible = state.peers.every((peer, index) => {
      const canConnect = peer.isAlive && !peer.isConnected && state.isStoreUp && peer.hasLink;
      const mustConnect = canConnect && peer.roundsWithout >= reconnectRoundsMax;
      if (reconnects[index] ? !canConnect : mustConnect) return false;
      return !lags[index] || (peer.isAlive && !peer.lagged);
    });
    if (!isPossible) continue;
    const notes = names.flatMap((name, index) =>
      [lags[index] ? [`${name}'s clock lags`] : [], reconnects[index] ? [`${name} reconnects`] : []].flat(),
    );
    actions.push({
      label: notes.length === 0 ? 'a round' : `a round; ${notes.join(', ')}`,
      fault: false,
      apply(next) {
        for (const index of [0, 1] as const) pass(next, index, lags[index], reconnects[index], rules, skew);
      },
    });
  }
  return actions;
}

/** One gateway's part of a round. */
function pass(
  state: LeaseState,
  index: 0 | 1,
  lags: boolean,
  reconnects: boolean,
  rules: LeaseRules,
  skew: number,
): void {
  const me = state.peers[index];
  const other = state.peers[index === 0 ? 1 : 0];
  if (!me.isAlive) return;
  me.lagged = lags;
  if (!lags) {
    me.sinceBeat = Math.min(me.sinceBeat + 1, rules.leaseUnits + 1);
    if (me.otherStoodStill !== null) me.otherStoodStill = Math.min(me.otherStoodStill + 1, rules.leaseUnits + 1);
  }
  if (!me.isConnected && state.isStoreUp && me.hasLink)
    me.roundsWithout = Math.min(me.roundsWithout + 1, reconnectRoundsMax);
  if (reconnects) {
    me.isConnected = true;
    me.roundsWithout = 0;
  } else if (!me.isConnected || me.sinceBeat < rules.beatUnits) return;
  beat(me, other);
  if (me.isAlive) look(me, other, index, rules, skew);
}

function beat(me: Peer, other: Peer): void {
  if (me.isTakenOver) {
    me.isAlive = false;
    return;
  }
  me.sinceBeat = 0;
  me.wasCut = false;
  other.hasNews = true;
}

function look(me: Peer, other: Peer, index: 0 | 1, rules: LeaseRules, skew: number): void {
  if (me.hasNews || me.otherStoodStill === null) me.otherStoodStill = 0;
  me.hasNews = false;
  const looks = rules.judges === 'own clock' ? me.otherStoodStill : other.sinceBeat + (index === 0 ? skew : -skew);
  if (looks < rules.leaseUnits || other.isTakenOver) return;
  other.isTakenOver = true;
  if (other.isAlive && other.hasLink && !other.wasCut) {
    throw new Broken(`F9: ${names[index]} took over a gateway that is alive and reaches PostgreSQL`);
  }
}

function faultsOf(state: LeaseState, rules: LeaseRules): Action<LeaseState>[] {
  const actions: Action<LeaseState>[] = [];
  const fault = (kind: keyof LeaseState['left'], label: string, apply: (next: LeaseState) => void) => {
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
  const disconnect = (peer: Peer) => {
    peer.isConnected = false;
    if (rules.forgetsWhenDisconnected) peer.otherStoodStill = null;
  };
  if (state.isStoreUp) {
    fault('outages', 'PostgreSQL goes away', (next) => {
      next.isStoreUp = false;
      for (const peer of next.peers) disconnect(peer);
    });
  }
  for (const index of [0, 1] as const) {
    if (!state.peers[index].isAlive) continue;
    fault('crashes', `${names[index]} is killed`, (next) => {
      next.peers[index].isAlive = false;
    });
    if (!state.peers[index].hasLink) continue;
    fault('cuts', `${names[index]} is cut off`, (next) => {
      const peer = next.peers[index];
      peer.hasLink = false;
      peer.wasCut = true;
      disconnect(peer);
    });
  }
  return actions;
}

function repairsOf(state: LeaseState): Action<LeaseState>[] {
  const actions: Action<LeaseState>[] = [];
  const may = (label: string, apply: (next: LeaseState) => void) => actions.push({ label, fault: false, apply });
  if (!state.isStoreUp) {
    may('PostgreSQL returns', (next) => {
      next.isStoreUp = true;
    });
  }
  for (const index of [0, 1] as const) {
    if (state.peers[index].hasLink || !state.peers[index].isAlive) continue;
    may(`${names[index]} is no longer cut off`, (next) => {
      next.peers[index].hasLink = true;
    });
  }
  return actions;
}

function check({ peers }: LeaseState, rules: LeaseRules): string | null {
  for (const [index, { isAlive, isTakenOver, sinceBeat }] of peers.entries()) {
    if (isAlive && isTakenOver && sinceBeat < rules.mayActUnits)
      return `${names[index]} was taken over and still lets effects leave`;
  }
  return null;
}
