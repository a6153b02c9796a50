/**
 * Retention classes, rows that outlive their partition, and indexes for searching what did not succeed.
 *
 * A later migration that adds a column to `executions` or `journal` adds it to the tables of every class and to the kept ones, in
 * the same order, and makes the view anew.
 */
const trees = ['', '_class_1', '_class_2'];

const indexes = (table: string): string => `
CREATE INDEX ${table}_living ON nflow.${table} (id) WHERE status < 2;
CREATE INDEX ${table}_unsuccessful ON nflow.${table} (id) WHERE status > 2;`;

const classTree = (suffix: string): string => `
CREATE TABLE nflow.executions${suffix} (LIKE nflow.executions INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE)
  PARTITION BY RANGE (id);
CREATE TABLE nflow.executions${suffix}_default PARTITION OF nflow.executions${suffix} DEFAULT;
COMMENT ON TABLE nflow.executions${suffix} IS 'Like executions, for a class with a retention of its own. The 17th hexadecimal digit of an id says its class: 8 default, 9 class 1, a class 2.';
CREATE TABLE nflow.journal${suffix} (LIKE nflow.journal INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE)
  PARTITION BY RANGE (execution_id);
CREATE TABLE nflow.journal${suffix}_default PARTITION OF nflow.journal${suffix} DEFAULT;
COMMENT ON TABLE nflow.journal${suffix} IS 'Like journal, for the executions of that class.';`;

export const sql = `
CREATE TABLE nflow.history_classes (
  slot smallint PRIMARY KEY CHECK (slot BETWEEN 0 AND 2),
  name text NOT NULL UNIQUE,
  retention_ms bigint NOT NULL
);
COMMENT ON TABLE nflow.history_classes IS
  'Retention classes as the configuration of the server that started last says; slot 0 is the default one. One that is not configured any more stays until its executions are gone.';
INSERT INTO nflow.history_classes VALUES (0, 'default', 14 * 86400000::bigint);

CREATE TABLE nflow.holds (
  execution_id uuid PRIMARY KEY,
  until_ms double precision
);
COMMENT ON TABLE nflow.holds IS 'Executions that retention must leave: until a time, or (null) until the row is deleted.';

${indexes('executions')}
${classTree('_class_1')}
${classTree('_class_2')}

CREATE TABLE nflow.executions_kept (LIKE nflow.executions INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE);
COMMENT ON TABLE nflow.executions_kept IS
  'Executions whose partition is gone and that must stay: not over yet, or held. Also those that were written when their partition was gone already.';
CREATE TABLE nflow.journal_kept (LIKE nflow.journal INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE);
COMMENT ON TABLE nflow.journal_kept IS 'The journal of executions_kept.';

CREATE VIEW nflow.all_executions AS
${[...trees, '_kept'].map((suffix) => `SELECT * FROM nflow.executions${suffix}`).join('\nUNION ALL ')};
COMMENT ON VIEW nflow.all_executions IS 'Every execution, wherever it lies. A range of ids in the condition reads the partitions of that range only.';
CREATE VIEW nflow.all_journal AS
${[...trees, '_kept'].map((suffix) => `SELECT * FROM nflow.journal${suffix}`).join('\nUNION ALL ')};
COMMENT ON VIEW nflow.all_journal IS 'The journal of every execution.';
`;
