-- Made from the catalog by tools/schema-dump.ts: do not edit. The migrations are what is applied.

CREATE TABLE nflow.executions (
  id uuid NOT NULL,
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
  input bytea STORAGE EXTERNAL NOT NULL,
  output bytea STORAGE EXTERNAL,
  error bytea STORAGE EXTERNAL,
  trace bytea STORAGE EXTERNAL,
  effects bytea STORAGE EXTERNAL,
  logs bytea STORAGE EXTERNAL,
  owner uuid,
  started_at_ms double precision,
  deadline_at_ms double precision,
  ended_at_ms double precision,
  seed text,
  takeovers smallint,
  takeover_order integer,
  CONSTRAINT executions_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX executions_owner ON ONLY nflow.executions USING btree (owner) WHERE (status < 2);
COMMENT ON TABLE nflow.executions IS 'One row an execution. The id is a UUIDv7, whose time is the creation and the partition. One that has no unsafe effect is written once, when it is over: owner to takeover_order stay null. Payloads are JSON text as it crossed, in bytes: text and jsonb refuse what it may hold.';
COMMENT ON COLUMN nflow.executions.status IS '0 running, 1 waiting, 2 succeeded, 3 failed, 4 timed_out, 5 cancelled, 6 crashed.';
COMMENT ON COLUMN nflow.executions.durability IS '0 durable, 1 recorded.';
COMMENT ON COLUMN nflow.executions.trigger IS '0 http, 1 manual.';
COMMENT ON COLUMN nflow.executions.takeovers IS 'Times in a row that it was taken from a dead owner without a new journal record.';
COMMENT ON COLUMN nflow.executions.takeover_order IS 'The highest write_order of its journal when it was last taken.';

CREATE TABLE nflow.executions_default PARTITION OF nflow.executions DEFAULT;

CREATE TABLE nflow.incarnations (
  id uuid NOT NULL,
  server text NOT NULL,
  state text NOT NULL DEFAULT 'live'::text,
  beat bigint NOT NULL DEFAULT 0,
  started_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamp with time zone,
  taken_by uuid,
  CONSTRAINT incarnations_pkey PRIMARY KEY (id),
  CONSTRAINT incarnations_state_check CHECK ((state = ANY (ARRAY['live'::text, 'dead'::text, 'ended'::text])))
) WITH (fillfactor=50);
COMMENT ON TABLE nflow.incarnations IS 'One row a life of a gateway. Who writes for a started execution locks its own row FOR KEY SHARE; who takes over locks it FOR UPDATE and sets dead.';
COMMENT ON COLUMN nflow.incarnations.beat IS 'Counts up every 5 s. A count and not a time: no clock is compared with that of another machine.';

CREATE TABLE nflow.journal (
  execution_id uuid NOT NULL,
  step_path text NOT NULL,
  attempt integer NOT NULL,
  seq integer NOT NULL,
  kind text NOT NULL,
  arguments_hash bytea,
  ok boolean NOT NULL,
  json bytea STORAGE EXTERNAL NOT NULL,
  segment integer NOT NULL,
  segment_time_ms double precision NOT NULL,
  write_order integer NOT NULL,
  CONSTRAINT journal_pkey PRIMARY KEY (execution_id, step_path, attempt, seq)
) PARTITION BY RANGE (execution_id);
COMMENT ON TABLE nflow.journal IS 'Results of effects and outputs of steps of started executions: what a resume replays.';

CREATE TABLE nflow.journal_default PARTITION OF nflow.journal DEFAULT;

CREATE TABLE nflow.migrations (
  number integer NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT migrations_pkey PRIMARY KEY (number)
);

CREATE TABLE nflow.workflow_versions (
  id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
  workflow_id integer NOT NULL,
  version integer NOT NULL,
  definition text NOT NULL,
  published_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT workflow_versions_workflow_id_version_key UNIQUE (workflow_id, version),
  CONSTRAINT workflow_versions_pkey PRIMARY KEY (id),
  CONSTRAINT workflow_versions_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES nflow.workflows(id)
);
COMMENT ON TABLE nflow.workflow_versions IS 'Every version that was ever published: executions name theirs.';

CREATE TABLE nflow.workflows (
  id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL,
  published_version_id integer,
  CONSTRAINT workflows_name_key UNIQUE (name),
  CONSTRAINT workflows_pkey PRIMARY KEY (id),
  CONSTRAINT workflows_published_version_id_fkey FOREIGN KEY (published_version_id) REFERENCES nflow.workflow_versions(id)
);
COMMENT ON TABLE nflow.workflows IS 'One row a workflow name, with the version that answers now.';

CREATE OR REPLACE FUNCTION nflow.assert_live(incarnation uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM 1 FROM nflow.incarnations WHERE id = incarnation AND state = 'live' FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'incarnation % is not live', incarnation USING ERRCODE = 'NF001';
  END IF;
END
$function$;
