/** Publishing as a whole: a revision of the catalog that every gateway can follow, drafts, origins, archiving. */
export const sql = `
CREATE TABLE nflow.catalog (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  revision bigint NOT NULL
);
INSERT INTO nflow.catalog (revision) VALUES (1);
COMMENT ON TABLE nflow.catalog IS
  'One row. Who publishes locks it, checks against the revision that it knows, and counts it up: publications take turns, and every gateway can tell whether it has seen the last one.';

ALTER TABLE nflow.workflows
  ADD COLUMN origin text,
  ADD COLUMN archived_at timestamptz,
  ADD COLUMN changed_revision bigint NOT NULL DEFAULT 0;
CREATE INDEX workflows_changed ON nflow.workflows (changed_revision);
COMMENT ON COLUMN nflow.workflows.origin IS 'Label of what published it last, such as a folder: what came from one place can be told apart.';
COMMENT ON COLUMN nflow.workflows.changed_revision IS 'Of the catalog, when this workflow was published or taken back last.';

ALTER TABLE nflow.workflow_versions ADD COLUMN summary text;
COMMENT ON COLUMN nflow.workflow_versions.summary IS
  'JSON: what lists and routes need of the version, so that a start does not compile every workflow. Made anew by each release.';

CREATE TABLE nflow.workflow_drafts (
  workflow_id integer PRIMARY KEY REFERENCES nflow.workflows ON DELETE CASCADE,
  definition text NOT NULL,
  files text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE nflow.workflow_drafts IS 'What an author has put aside, as written: at most one a workflow. files is a JSON object of texts by path.';
`;
