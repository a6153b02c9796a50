/**
 * A small exhaustive explorer: breadth first over every state that a model can reach, with states told apart by their JSON text.
 * Breadth first, so that a counterexample is as short as one can be.
 */

/** Thrown by a model's action when a rule that must always hold is broken. */
export class Broken extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Broken';
  }
}

/** One thing that can happen in a state. */
export interface Action<State> {
  /** For the trace: who does what. */
  label: string;
  /** Something that may happen but need not: a crash, a lost connection. What must go well goes well without any. */
  fault: boolean;
  /** Changes the state it is given (a copy) into the next one; throws Broken. */
  apply: (state: State) => void;
}

export interface Model<State> {
  initial: State;
  actions(state: State): Action<State>[];
  /** What is wrong with this state, or null. */
  check(state: State): string | null;
  /** True where the system may come to rest. From every state one must be reachable without any further fault. */
  isSettled(state: State): boolean;
}

export interface Exploration {
  states: number;
  transitions: number;
  /** Null when nothing is wrong. */
  counterexample: { problem: string; trace: string[]; state: string } | null;
}

/**
 * Visits every reachable state. Stops at the first one that is wrong; when none is, looks for a state from which nothing settled
 * can be reached without a fault. Throws RangeError past `statesMax`: a model that grows must not hang the tests.
 */
export function explore<State>(model: Model<State>, statesMax = 2_000_000): Exploration {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  /** How each state was first reached. */
  const parents: number[] = [];
  const labels: string[] = [];
  const settled: boolean[] = [];
  /** Transitions that are no faults, reversed: pairs (to, from) in one flat list. */
  const reversed: number[] = [];
  let transitions = 0;

  const traceTo = (id: number): string[] => {
    const trace: string[] = [];
    for (let at = id; at > 0; at = parents[at] as number) trace.unshift(labels[at] as string);
    return trace;
  };
  const result = (problem: string, trace: string[], state: string): Exploration => ({
    states: texts.length,
    transitions,
    counterexample: { problem, trace, state },
  });
  const add = (text: string, parent: number, label: string): number => {
    const known = ids.get(text);
    if (known !== undefined) return known;
    const id = texts.length;
    if (id >= statesMax)
      throw new RangeError(`more than ${statesMax} states: give the model a smaller budget of faults`);
    ids.set(text, id);
    texts.push(text);
    parents.push(parent);
    labels.push(label);
    return id;
  };

  add(JSON.stringify(model.initial), -1, '');
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id] as string;
    const state = JSON.parse(text) as State;
    const problem = model.check(state);
    if (problem !== null) return result(problem, traceTo(id), text);
    settled.push(model.isSettled(state));
    for (const action of model.actions(state)) {
      transitions++;
      const next = JSON.parse(text) as State;
      try {
        action.apply(next);
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        return result(error.message, [...traceTo(id), action.label], JSON.stringify(next));
      }
      const nextId = add(JSON.stringify(next), id, action.label);
      if (!action.fault) reversed.push(nextId, id);
    }
  }

  const stuck = findStuck(settled, reversed);
  if (stuck === -1) return { states: texts.length, transitions, counterexample: null };
  return result('stuck: without further faults nothing settled is reached', traceTo(stuck), texts[stuck] as string);
}

/** The first state from which no settled one is reachable along the transitions, or -1. Walks backwards from the settled ones. */
function findStuck(settled: readonly boolean[], reversed: readonly number[]): number {
  // Compressed rows: the sources of all transitions into a state lie side by side, from starts[state] to starts[state + 1].
  const starts = new Int32Array(settled.length + 1);
  const addTo = (array: Int32Array, at: number, amount: number) => {
    array[at] = (array[at] as number) + amount;
  };
  for (let at = 0; at < reversed.length; at += 2) addTo(starts, (reversed[at] as number) + 1, 1);
  for (let id = 0; id < settled.length; id++) addTo(starts, id + 1, starts[id] as number);
  const sources = new Int32Array(reversed.length / 2);
  const filled = starts.slice();
  for (let at = 0; at < reversed.length; at += 2) {
    const to = reversed[at] as number;
    sources[filled[to] as number] = reversed[at + 1] as number;
    addTo(filled, to, 1);
  }

  const reaches = settled.slice();
  const queue: number[] = [];
  for (let id = 0; id < settled.length; id++) if (settled[id]) queue.push(id);
  for (let at = 0; at < queue.length; at++) {
    const to = queue[at] as number;
    for (let edge = starts[to] as number; edge < (starts[to + 1] as number); edge++) {
      const from = sources[edge] as number;
      if (reaches[from]) continue;
      reaches[from] = true;
      queue.push(from);
    }
  }
  return reaches.indexOf(false);
}

/** A counterexample as a person reads it. */
export function describeCounterexample(exploration: Exploration): string {
  const { counterexample, states } = exploration;
  if (counterexample === null) return `no counterexample in ${states} states`;
  const steps = counterexample.trace.map((label, index) => `  ${String(index + 1).padStart(2)}. ${label}`);
  return [`${counterexample.problem} (after ${states} states)`, ...steps].join('\n');
}
