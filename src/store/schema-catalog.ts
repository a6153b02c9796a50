/**
 * The schema as the catalog knows it, as text. It is committed as `schema.sql` for people to read and for a test to compare:
 * `tools/schema-dump.ts` writes it. Partitions of a day or an hour are left out; they are copies of their parent.
 */
import type pg from 'pg';

interface TableRow {
  oid: number;
  name: string;
  partition_key: string | null;
  bound: string | null;
  parent: string | null;
  options: string[] | null;
  comment: string | null;
}

interface ColumnRow {
  name: string;
  type: string;
  storage: string;
  not_null: boolean;
  expression: string | null;
  identity: string;
  comment: string | null;
}

const storageNames: Record<string, string> = { p: 'PLAIN', e: 'EXTERNAL', m: 'MAIN', x: 'EXTENDED' };
const heading = '-- Made from the catalog by tools/schema-dump.ts: do not edit. The migrations are what is applied.';

export async function describeSchema(client: pg.ClientBase): Promise<string> {
  // Definitions name the schema of what is not on the path.
  await client.query("SET search_path = 'pg_catalog'");
  const { rows: tables } = await client.query<TableRow>(`
    SELECT c.oid, c.relname AS name, pg_get_partkeydef(c.oid) AS partition_key, pg_get_expr(c.relpartbound, c.oid) AS bound,
      (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid) AS parent, c.reloptions AS options,
      obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'nflow' AND c.relkind IN ('r', 'p') AND c.relname !~ '_\\d{4}_\\d{2}_\\d{2}(_\\d{2})?$' ORDER BY c.relname`);
  const parts = [heading];
  for (const table of tables) parts.push(await describeTable(client, table));
  parts.push(...(await describeViews(client)), ...(await describeFunctions(client)));
  return `${parts.join('\n\n')}\n`;
}

async function describeTable(client: pg.ClientBase, table: TableRow): Promise<string> {
  const name = `nflow.${table.name}`;
  const lines: string[] = [];
  if (table.parent !== null) {
    lines.push(`CREATE TABLE ${name} PARTITION OF ${table.parent} ${table.bound};`);
  } else {
    const columns = await readColumns(client, table.oid);
    const constraints = await readConstraints(client, table.oid);
    const members = [...columns.map(describeColumn), ...constraints].map((member) => `  ${member}`);
    const partitioned = table.partition_key === null ? '' : ` PARTITION BY ${table.partition_key}`;
    const options = table.options === null ? '' : ` WITH (${table.options.join(', ')})`;
    lines.push(`CREATE TABLE ${name} (\n${members.join(',\n')}\n)${partitioned}${options};`);
    lines.push(...(await readIndexes(client, table.oid)));
    if (table.comment !== null) lines.push(`COMMENT ON TABLE ${name} IS ${quote(table.comment)};`);
    for (const column of columns) {
      if (column.comment !== null) lines.push(`COMMENT ON COLUMN ${name}.${column.name} IS ${quote(column.comment)};`);
    }
  }
  return lines.join('\n');
}

async function readColumns(client: pg.ClientBase, table: number): Promise<ColumnRow[]> {
  const { rows } = await client.query<ColumnRow>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attstorage AS storage, a.attnotnull AS not_null,
       pg_get_expr(d.adbin, d.adrelid) AS expression, a.attidentity AS identity, col_description(a.attrelid, a.attnum) AS comment
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [table],
  );
  return rows;
}

function describeColumn(column: ColumnRow): string {
  const words = [column.name, column.type];
  // The default of the type is not worth a word.
  if (column.storage === 'e') words.push(`STORAGE ${storageNames[column.storage]}`);
  if (column.not_null) words.push('NOT NULL');
  if (column.expression !== null) words.push(`DEFAULT ${column.expression}`);
  if (column.identity === 'a') words.push('GENERATED ALWAYS AS IDENTITY');
  return words.join(' ');
}

/** Not-null constraints have rows of their own from version 18 on: the columns say it. */
async function readConstraints(client: pg.ClientBase, table: number): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `SELECT format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) AS definition FROM pg_constraint
     WHERE conrelid = $1 AND contype <> 'n' ORDER BY contype DESC, conname`,
    [table],
  );
  return rows.map(({ definition }) => definition);
}

async function readIndexes(client: pg.ClientBase, table: number): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `SELECT pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
     WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype <> 'f')
     ORDER BY definition`,
    [table],
  );
  return rows.map(({ definition }) => `${definition};`);
}

async function describeViews(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string; definition: string; comment: string | null }>(
    `SELECT c.relname AS name, pg_get_viewdef(c.oid, true) AS definition, obj_description(c.oid, 'pg_class') AS comment
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'nflow' AND c.relkind = 'v' ORDER BY c.relname`,
  );
  return rows.map(({ name, definition, comment }) => {
    const view = `CREATE VIEW nflow.${name} AS\n${definition}`;
    return comment === null ? view : `${view}\nCOMMENT ON VIEW nflow.${name} IS ${quote(comment)};`;
  });
}

async function describeFunctions(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    `SELECT pg_get_functiondef(p.oid) AS definition FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'nflow' ORDER BY p.proname`,
  );
  return rows.map(({ definition }) => `${definition.trim()};`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
