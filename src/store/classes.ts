/**
 * Retention classes: names of the configuration, each with a slot in the database, which is a tree of its own. A slot is taken when a
 * class is first configured, and is free again when the class is configured no more and its executions are gone.
 */
import type pg from 'pg';
import { NflowError } from '../errors.ts';
import { dayMs } from './partitions.ts';
import { slotCount, type Tree, trees } from './trees.ts';

export const defaultClass = 'default';

/** Any fixed number: servers that start together take turns by it. */
const advisoryLockKey = 7_135_627_933;

export interface ClassSettings {
  /** Of executions whose workflow names no class. */
  retentionMs: number;
  /** Names of further classes to how long they keep, in ms; at most two. */
  classes: Readonly<Record<string, number>>;
}

export const defaultClassSettings: ClassSettings = { retentionMs: 14 * dayMs, classes: {} };

/**
 * Writes the configured classes to the database.
 * @returns the slot of each, `default` included.
 * @throws NflowError `invalid_config` when a class finds no free slot.
 */
export async function placeClasses(client: pg.ClientBase, settings: ClassSettings): Promise<Map<string, number>> {
  const wanted = new Map([[defaultClass, settings.retentionMs], ...Object.entries(settings.classes)]);
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [advisoryLockKey]);
    const slots = await readSlots(client);
    for (const name of wanted.keys()) {
      if (!slots.has(name)) slots.set(name, await takeSlot(client, name, slots, wanted));
    }
    for (const [name, retentionMs] of wanted) {
      await client.query(
        `INSERT INTO nflow.history_classes (slot, name, retention_ms) VALUES ($1, $2, $3)
         ON CONFLICT (slot) DO UPDATE SET name = EXCLUDED.name, retention_ms = EXCLUDED.retention_ms
         WHERE (history_classes.name, history_classes.retention_ms) <> (EXCLUDED.name, EXCLUDED.retention_ms)`,
        [slots.get(name), name, Math.round(retentionMs)],
      );
    }
    await client.query('COMMIT');
    return new Map([...slots].filter(([name]) => wanted.has(name)));
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function readSlots(client: pg.ClientBase): Promise<Map<string, number>> {
  const { rows } = await client.query<{ slot: number; name: string }>('SELECT slot, name FROM nflow.history_classes');
  return new Map(rows.map(({ slot, name }) => [name, slot]));
}

async function takeSlot(
  client: pg.ClientBase,
  name: string,
  slots: Map<string, number>,
  wanted: ReadonlyMap<string, number>,
): Promise<number> {
  const taken = new Map([...slots].map(([other, slot]) => [slot, other]));
  for (const tree of trees) {
    const other = taken.get(tree.slot);
    if (other === undefined) return tree.slot;
    if (wanted.has(other) || !(await isEmpty(client, tree))) continue;
    slots.delete(other);
    return tree.slot;
  }
  throw new NflowError('invalid_config', `There is no place for the history class '${name}'`, {
    got: `${slotCount} classes in the database: ${[...slots.keys()].join(', ')}`,
    expected: `at most ${slotCount}, the default one included, as long as they hold executions`,
    remedy:
      'configure one of the names that are there instead, or wait until the executions of the class that is not wanted any more have gone by its retention',
  });
}

async function isEmpty(client: pg.ClientBase, tree: Tree): Promise<boolean> {
  const { rows } = await client.query<{ filled: boolean }>(
    `SELECT EXISTS (SELECT FROM nflow.${tree.executions}) AS filled`,
  );
  return rows[0]?.filled === false;
}
