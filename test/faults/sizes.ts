/** How large the fault tests are: the short form is part of `npm test`, the long one is `npm run faults`. */

export interface FaultSizes {
  /** Kills at each named point. */
  killsPerPoint: number;
  /** Rounds of kills at seeded moments; each is one life of a supervisor. */
  rounds: number;
  killsPerRound: number;
  runsPerKill: number;
  /** How long PostgreSQL is away, one outage after the other. */
  outagesMs: number[];
}

const short: FaultSizes = { killsPerPoint: 1, rounds: 2, killsPerRound: 5, runsPerKill: 10, outagesMs: [3_000] };
/** 100 moments in 1,000 runs; 45 s are three leases. */
const long: FaultSizes = {
  killsPerPoint: 4,
  rounds: 20,
  killsPerRound: 5,
  runsPerKill: 10,
  outagesMs: [10_000, 45_000],
};

/** Set by `npm run faults`. */
export const isLongForm = process.env.NFLOW_TEST_FAULTS === 'long';
export const sizes = isLongForm ? long : short;
/** Of one test. */
export const faultTestTimeoutMs = isLongForm ? 1_200_000 : 240_000;
