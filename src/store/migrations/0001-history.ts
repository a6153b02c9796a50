/** The first schema: workflows, incarnations, executions and their journal. Applied migrations never change: add another. */
export const sql = `
CREATE TABLE nflow.workflows (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  published_version_id integer
);
COMMENT ON TABLE nflow.workflows IS 'One row a workflow name, with the version that answers now.';

CREATE TABLE nflow.workflow_versions (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workflow_id integer NOT NULL REFERENCES nflow.workflows,
  version integer NOT NULL,
  definition text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (workflow_id, version)
);
ALTER TABLE nflow.workflows ADD FOREIGN KEY (published_version_id) REFERENCES nflow.workflow_versions;
COMMENT ON TABLE nflow.workflow_versions IS 'Every version that was ever published: executions name theirs.';

CREATE TABLE nflow.incarnations (
  id uuid PRIMARY KEY,
  server text NOT NULL,
  state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'dead', 'ended')),
  beat bigint NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  taken_by uuid
) WITH (fillfactor = 50);
COMMENT ON TABLE nflow.incarnations IS
  'One row a life of a gateway. Who writes for a started execution locks its own row FOR KEY SHARE; who takes over locks it FOR UPDATE and sets dead.';
COMMENT ON COLUMN nflow.incarnations.beat IS
  'Counts up every 5 s. A count and not a time: no clock is compared with that of another machine.';

-- Every transaction that writes for a started execution calls this first. It raises, so that what is pipelined behind it is
-- not performed.
CREATE FUNCTION nflow.assert_live(incarnation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM nflow.incarnations WHERE id = incarnation AND state = 'live' FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'incarnation % is not live', incarnation USING ERRCODE = 'NF001';
  END IF;
END
$$;

CREATE TABLE nflow.executions (
  id uuid NOT NULL PRIMARY KEY,
  version_id integer NOT NULL,
  status smallint NOT NULL,
  durability smallint NOT NULL,
  trigger smallint NOT NULL,
  http_status smallint,
  queue_us integer,
  acquire_us integer,
  batch_wait_us integer,
  run_us bigint,
  effects_us bigint,
  total_us bigint,
  input bytea NOT NULL,
  output bytea,
  error bytea,
  trace bytea,
  effects bytea,
  logs bytea,
  owner uuid,
  started_at_ms double precision,
  deadline_at_ms double precision,
  ended_at_ms double precision,
  seed text,
  takeovers smallint,
  takeover_order integer
) PARTITION BY RANGE (id);
ALTER TABLE nflow.executions
  ALTER input SET STORAGE EXTERNAL, ALTER output SET STORAGE EXTERNAL, ALTER error SET STORAGE EXTERNAL,
  ALTER trace SET STORAGE EXTERNAL, ALTER effects SET STORAGE EXTERNAL, ALTER logs SET STORAGE EXTERNAL;
CREATE INDEX executions_owner ON nflow.executions (owner) WHERE status < 2;
CREATE TABLE nflow.executions_default PARTITION OF nflow.executions DEFAULT;
COMMENT ON TABLE nflow.executions IS
  'One row an execution. The id is a UUIDv7, whose time is the creation and the partition. One that has no unsafe effect is written once, when it is over: owner to takeover_order stay null. Payloads are JSON text as it crossed, in bytes: text and jsonb refuse what it may hold.';
COMMENT ON COLUMN nflow.executions.status IS '0 running, 1 waiting, 2 succeeded, 3 failed, 4 timed_out, 5 cancelled, 6 crashed.';
COMMENT ON COLUMN nflow.executions.durability IS '0 durable, 1 recorded.';
COMMENT ON COLUMN nflow.executions.trigger IS '0 http, 1 manual.';
COMMENT ON COLUMN nflow.executions.takeovers IS 'Times in a row that it was taken from a dead owner without a new journal record.';
COMMENT ON COLUMN nflow.executions.takeover_order IS 'The highest write_order of its journal when it was last taken.';

CREATE TABLE nflow.journal (
  execution_id uuid NOT NULL,
  step_path text NOT NULL,
  attempt integer NOT NULL,
  seq integer NOT NULL,
  kind text NOT NULL,
  arguments_hash bytea,
  ok boolean NOT NULL,
  json bytea NOT NULL,
  segment integer NOT NULL,
  segment_time_ms double precision NOT NULL,
  write_order integer NOT NULL,
  PRIMARY KEY (execution_id, step_path, attempt, seq)
) PARTITION BY RANGE (execution_id);
ALTER TABLE nflow.journal ALTER json SET STORAGE EXTERNAL;
CREATE TABLE nflow.journal_default PARTITION OF nflow.journal DEFAULT;
COMMENT ON TABLE nflow.journal IS 'Results of effects and outputs of steps of started executions: what a resume replays.';
`;
