/**
 * Where executions lie. Each retention class is a *tree*: two tables, partitioned by time, whose partitions are dropped by the age
 * that the class says. What outlives its partition lies in the kept tables.
 *
 * The two bits after the variant of an id (RFC 9562, section 5.7: they are free) are the slot of its class, so an id alone tells
 * the one partition that may hold it:
 *
 *   0199a3f2-7c1e-7 04b - 8 3d1-…
 *   time          7 count └ 8: default   9: class 1   a: class 2
 */

export const slotCount = 3;

export interface Tree {
  readonly slot: number;
  /** What follows `executions` and `journal` in the names of its tables, and its statements' names. */
  readonly suffix: string;
  readonly executions: string;
  readonly journal: string;
}

export const trees: readonly Tree[] = ['', '_class_1', '_class_2'].map((suffix, slot) => ({
  slot,
  suffix,
  executions: `executions${suffix}`,
  journal: `journal${suffix}`,
}));

/** Suffix of the tables of executions without a partition. */
export const keptSuffix = '_kept';

/** Suffixes of every pair of tables that may hold an execution. */
export const allSuffixes: readonly string[] = [...trees.map(({ suffix }) => suffix), keptSuffix];

const variantAt = 19;
const variantOfDefault = 0x38;

/** The slot that an id in lower-case text says. What no class of ours has made counts as the default one. */
export function slotOf(id: string): number {
  switch (id.charCodeAt(variantAt)) {
    case 0x39:
      return 1;
    case 0x61:
      return 2;
    default:
      return 0;
  }
}

export function isOfDefaultClass(id: string): boolean {
  return id.charCodeAt(variantAt) === variantOfDefault;
}

/** The same as `slotOf`, in SQL. */
export function slotSql(id: string): string {
  return `CASE (get_byte(uuid_send(${id}), 8) >> 4) & 3 WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 0 END`;
}
