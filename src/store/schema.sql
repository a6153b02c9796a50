-- Made from the catalog by tools/schema-dump.ts: do not edit. The migrations are what is applied.

CREATE TABLE nflow.catalog (
  is_only boolean NOT NULL DEFAULT true,
  revision bigint NOT NULL,
  CONSTRAINT catalog_pkey PRIMARY KEY (is_only),
  CONSTRAINT catalog_is_only_check CHECK (is_only)
);
COMMENT ON TABLE nflow.catalog IS 'One row. Who publishes locks it, checks against the revision that it knows, and counts it up: publications take turns, and every gateway can tell whether it has seen the last one.';

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
CREATE INDEX executions_living ON ONLY nflow.executions USING btree (id) WHERE (status < 2);
CREATE INDEX executions_owner ON ONLY nflow.executions USING btree (owner) WHERE (status < 2);
CREATE INDEX executions_unsuccessful ON ONLY nflow.executions USING btree (id) WHERE (status > 2);
COMMENT ON TABLE nflow.executions IS 'One row an execution. The id is a UUIDv7, whose time is the creation and the partition. One that has no unsafe effect is written once, when it is over: owner to takeover_order stay null. Payloads are JSON text as it crossed, in bytes: text and jsonb refuse what it may hold.';
COMMENT ON COLUMN nflow.executions.status IS '0 running, 1 waiting, 2 succeeded, 3 failed, 4 timed_out, 5 cancelled, 6 crashed.';
COMMENT ON COLUMN nflow.executions.durability IS '0 durable, 1 recorded.';
COMMENT ON COLUMN nflow.executions.trigger IS '0 http, 1 manual.';
COMMENT ON COLUMN nflow.executions.takeovers IS 'Times in a row that it was taken from a dead owner without a new journal record.';
COMMENT ON COLUMN nflow.executions.takeover_order IS 'The highest write_order of its journal when it was last taken.';

CREATE TABLE nflow.executions_class_1 (
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
  CONSTRAINT executions_class_1_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX executions_class_1_id_idx ON ONLY nflow.executions_class_1 USING btree (id) WHERE (status < 2);
CREATE INDEX executions_class_1_id_idx1 ON ONLY nflow.executions_class_1 USING btree (id) WHERE (status > 2);
CREATE INDEX executions_class_1_owner_idx ON ONLY nflow.executions_class_1 USING btree (owner) WHERE (status < 2);
COMMENT ON TABLE nflow.executions_class_1 IS 'Like executions, for a class with a retention of its own. The 17th hexadecimal digit of an id says its class: 8 default, 9 class 1, a class 2.';

CREATE TABLE nflow.executions_class_1_default PARTITION OF nflow.executions_class_1 DEFAULT;

CREATE TABLE nflow.executions_class_2 (
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
  CONSTRAINT executions_class_2_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX executions_class_2_id_idx ON ONLY nflow.executions_class_2 USING btree (id) WHERE (status < 2);
CREATE INDEX executions_class_2_id_idx1 ON ONLY nflow.executions_class_2 USING btree (id) WHERE (status > 2);
CREATE INDEX executions_class_2_owner_idx ON ONLY nflow.executions_class_2 USING btree (owner) WHERE (status < 2);
COMMENT ON TABLE nflow.executions_class_2 IS 'Like executions, for a class with a retention of its own. The 17th hexadecimal digit of an id says its class: 8 default, 9 class 1, a class 2.';

CREATE TABLE nflow.executions_class_2_default PARTITION OF nflow.executions_class_2 DEFAULT;

CREATE TABLE nflow.executions_default PARTITION OF nflow.executions DEFAULT;

CREATE TABLE nflow.executions_kept (
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
  CONSTRAINT executions_kept_pkey PRIMARY KEY (id)
);
CREATE INDEX executions_kept_id_idx ON nflow.executions_kept USING btree (id) WHERE (status < 2);
CREATE INDEX executions_kept_id_idx1 ON nflow.executions_kept USING btree (id) WHERE (status > 2);
CREATE INDEX executions_kept_owner_idx ON nflow.executions_kept USING btree (owner) WHERE (status < 2);
COMMENT ON TABLE nflow.executions_kept IS 'Executions whose partition is gone and that must stay: not over yet, or held. Also those that were written when their partition was gone already.';

CREATE TABLE nflow.history_classes (
  slot smallint NOT NULL,
  name text NOT NULL,
  retention_ms bigint NOT NULL,
  CONSTRAINT history_classes_name_key UNIQUE (name),
  CONSTRAINT history_classes_pkey PRIMARY KEY (slot),
  CONSTRAINT history_classes_slot_check CHECK (((slot >= 0) AND (slot <= 2)))
);
COMMENT ON TABLE nflow.history_classes IS 'Retention classes as the configuration of the server that started last says; slot 0 is the default one. One that is not configured any more stays until its executions are gone.';

CREATE TABLE nflow.holds (
  execution_id uuid NOT NULL,
  until_ms double precision,
  CONSTRAINT holds_pkey PRIMARY KEY (execution_id)
);
COMMENT ON TABLE nflow.holds IS 'Executions that retention must leave: until a time, or (null) until the row is deleted.';

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

CREATE TABLE nflow.journal_class_1 (
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
  CONSTRAINT journal_class_1_pkey PRIMARY KEY (execution_id, step_path, attempt, seq)
) PARTITION BY RANGE (execution_id);
COMMENT ON TABLE nflow.journal_class_1 IS 'Like journal, for the executions of that class.';

CREATE TABLE nflow.journal_class_1_default PARTITION OF nflow.journal_class_1 DEFAULT;

CREATE TABLE nflow.journal_class_2 (
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
  CONSTRAINT journal_class_2_pkey PRIMARY KEY (execution_id, step_path, attempt, seq)
) PARTITION BY RANGE (execution_id);
COMMENT ON TABLE nflow.journal_class_2 IS 'Like journal, for the executions of that class.';

CREATE TABLE nflow.journal_class_2_default PARTITION OF nflow.journal_class_2 DEFAULT;

CREATE TABLE nflow.journal_default PARTITION OF nflow.journal DEFAULT;

CREATE TABLE nflow.journal_kept (
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
  CONSTRAINT journal_kept_pkey PRIMARY KEY (execution_id, step_path, attempt, seq)
);
COMMENT ON TABLE nflow.journal_kept IS 'The journal of executions_kept.';

CREATE TABLE nflow.migrations (
  number integer NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT migrations_pkey PRIMARY KEY (number)
);

CREATE TABLE nflow.secrets (
  name text NOT NULL,
  key_id text NOT NULL,
  nonce bytea NOT NULL,
  sealed bytea NOT NULL,
  hosts text[] NOT NULL,
  effects text[] NOT NULL,
  workflows text[] NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  revision bigint NOT NULL DEFAULT nextval('nflow.secret_revisions'::regclass),
  CONSTRAINT secrets_pkey PRIMARY KEY (name),
  CONSTRAINT secrets_nonce_check CHECK ((octet_length(nonce) = 12))
);
COMMENT ON TABLE nflow.secrets IS 'Values that workflows use without seeing them. sealed is AES-256-GCM of the value with its tag; the additional data are the name and the id of the key, so that a row cannot be passed off as another.';
COMMENT ON COLUMN nflow.secrets.key_id IS 'Of the key, which is never in the database: in the configuration, or in secrets.key of the data folder.';
COMMENT ON COLUMN nflow.secrets.revision IS 'New with each change: every gateway can tell whether it has seen the last one.';

CREATE TABLE nflow.workflow_drafts (
  workflow_id integer NOT NULL,
  definition text NOT NULL,
  files text NOT NULL,
  updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT workflow_drafts_pkey PRIMARY KEY (workflow_id),
  CONSTRAINT workflow_drafts_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES nflow.workflows(id) ON DELETE CASCADE
);
COMMENT ON TABLE nflow.workflow_drafts IS 'What an author has put aside, as written: at most one a workflow. files is a JSON object of texts by path.';

CREATE TABLE nflow.workflow_versions (
  id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
  workflow_id integer NOT NULL,
  version integer NOT NULL,
  definition text NOT NULL,
  published_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  summary text,
  CONSTRAINT workflow_versions_workflow_id_version_key UNIQUE (workflow_id, version),
  CONSTRAINT workflow_versions_pkey PRIMARY KEY (id),
  CONSTRAINT workflow_versions_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES nflow.workflows(id)
);
COMMENT ON TABLE nflow.workflow_versions IS 'Every version that was ever published: executions name theirs.';
COMMENT ON COLUMN nflow.workflow_versions.summary IS 'JSON: what lists and routes need of the version, so that a start does not compile every workflow. Made anew by each release.';

CREATE TABLE nflow.workflows (
  id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL,
  published_version_id integer,
  origin text,
  archived_at timestamp with time zone,
  changed_revision bigint NOT NULL DEFAULT 0,
  CONSTRAINT workflows_name_key UNIQUE (name),
  CONSTRAINT workflows_pkey PRIMARY KEY (id),
  CONSTRAINT workflows_published_version_id_fkey FOREIGN KEY (published_version_id) REFERENCES nflow.workflow_versions(id)
);
CREATE INDEX workflows_changed ON nflow.workflows USING btree (changed_revision);
COMMENT ON TABLE nflow.workflows IS 'One row a workflow name, with the version that answers now.';
COMMENT ON COLUMN nflow.workflows.origin IS 'Label of what published it last, such as a folder: what came from one place can be told apart.';
COMMENT ON COLUMN nflow.workflows.changed_revision IS 'Of the catalog, when this workflow was published or taken back last.';

CREATE VIEW nflow.all_executions AS
 SELECT executions.id,
    executions.version_id,
    executions.status,
    executions.durability,
    executions.trigger,
    executions.http_status,
    executions.queue_us,
    executions.acquire_us,
    executions.batch_wait_us,
    executions.run_us,
    executions.effects_us,
    executions.total_us,
    executions.input,
    executions.output,
    executions.error,
    executions.trace,
    executions.effects,
    executions.logs,
    executions.owner,
    executions.started_at_ms,
    executions.deadline_at_ms,
    executions.ended_at_ms,
    executions.seed,
    executions.takeovers,
    executions.takeover_order
   FROM nflow.executions
UNION ALL
 SELECT executions_class_1.id,
    executions_class_1.version_id,
    executions_class_1.status,
    executions_class_1.durability,
    executions_class_1.trigger,
    executions_class_1.http_status,
    executions_class_1.queue_us,
    executions_class_1.acquire_us,
    executions_class_1.batch_wait_us,
    executions_class_1.run_us,
    executions_class_1.effects_us,
    executions_class_1.total_us,
    executions_class_1.input,
    executions_class_1.output,
    executions_class_1.error,
    executions_class_1.trace,
    executions_class_1.effects,
    executions_class_1.logs,
    executions_class_1.owner,
    executions_class_1.started_at_ms,
    executions_class_1.deadline_at_ms,
    executions_class_1.ended_at_ms,
    executions_class_1.seed,
    executions_class_1.takeovers,
    executions_class_1.takeover_order
   FROM nflow.executions_class_1
UNION ALL
 SELECT executions_class_2.id,
    executions_class_2.version_id,
    executions_class_2.status,
    executions_class_2.durability,
    executions_class_2.trigger,
    executions_class_2.http_status,
    executions_class_2.queue_us,
    executions_class_2.acquire_us,
    executions_class_2.batch_wait_us,
    executions_class_2.run_us,
    executions_class_2.effects_us,
    executions_class_2.total_us,
    executions_class_2.input,
    executions_class_2.output,
    executions_class_2.error,
    executions_class_2.trace,
    executions_class_2.effects,
    executions_class_2.logs,
    executions_class_2.owner,
    executions_class_2.started_at_ms,
    executions_class_2.deadline_at_ms,
    executions_class_2.ended_at_ms,
    executions_class_2.seed,
    executions_class_2.takeovers,
    executions_class_2.takeover_order
   FROM nflow.executions_class_2
UNION ALL
 SELECT executions_kept.id,
    executions_kept.version_id,
    executions_kept.status,
    executions_kept.durability,
    executions_kept.trigger,
    executions_kept.http_status,
    executions_kept.queue_us,
    executions_kept.acquire_us,
    executions_kept.batch_wait_us,
    executions_kept.run_us,
    executions_kept.effects_us,
    executions_kept.total_us,
    executions_kept.input,
    executions_kept.output,
    executions_kept.error,
    executions_kept.trace,
    executions_kept.effects,
    executions_kept.logs,
    executions_kept.owner,
    executions_kept.started_at_ms,
    executions_kept.deadline_at_ms,
    executions_kept.ended_at_ms,
    executions_kept.seed,
    executions_kept.takeovers,
    executions_kept.takeover_order
   FROM nflow.executions_kept;
COMMENT ON VIEW nflow.all_executions IS 'Every execution, wherever it lies. A range of ids in the condition reads the partitions of that range only.';

CREATE VIEW nflow.all_journal AS
 SELECT journal.execution_id,
    journal.step_path,
    journal.attempt,
    journal.seq,
    journal.kind,
    journal.arguments_hash,
    journal.ok,
    journal."json",
    journal.segment,
    journal.segment_time_ms,
    journal.write_order
   FROM nflow.journal
UNION ALL
 SELECT journal_class_1.execution_id,
    journal_class_1.step_path,
    journal_class_1.attempt,
    journal_class_1.seq,
    journal_class_1.kind,
    journal_class_1.arguments_hash,
    journal_class_1.ok,
    journal_class_1."json",
    journal_class_1.segment,
    journal_class_1.segment_time_ms,
    journal_class_1.write_order
   FROM nflow.journal_class_1
UNION ALL
 SELECT journal_class_2.execution_id,
    journal_class_2.step_path,
    journal_class_2.attempt,
    journal_class_2.seq,
    journal_class_2.kind,
    journal_class_2.arguments_hash,
    journal_class_2.ok,
    journal_class_2."json",
    journal_class_2.segment,
    journal_class_2.segment_time_ms,
    journal_class_2.write_order
   FROM nflow.journal_class_2
UNION ALL
 SELECT journal_kept.execution_id,
    journal_kept.step_path,
    journal_kept.attempt,
    journal_kept.seq,
    journal_kept.kind,
    journal_kept.arguments_hash,
    journal_kept.ok,
    journal_kept."json",
    journal_kept.segment,
    journal_kept.segment_time_ms,
    journal_kept.write_order
   FROM nflow.journal_kept;
COMMENT ON VIEW nflow.all_journal IS 'The journal of every execution.';

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
