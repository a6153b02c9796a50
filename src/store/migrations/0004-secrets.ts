/** Secrets of workflows, encrypted by the gateway. */
export const sql = `
CREATE SEQUENCE nflow.secret_revisions;
CREATE TABLE nflow.secrets (
  name text PRIMARY KEY,
  key_id text NOT NULL,
  nonce bytea NOT NULL CHECK (octet_length(nonce) = 12),
  sealed bytea NOT NULL,
  hosts text[] NOT NULL,
  effects text[] NOT NULL,
  workflows text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revision bigint NOT NULL DEFAULT nextval('nflow.secret_revisions')
);
COMMENT ON TABLE nflow.secrets IS
  'Values that workflows use without seeing them. sealed is AES-256-GCM of the value with its tag; the additional data are the name and the id of the key, so that a row cannot be passed off as another.';
COMMENT ON COLUMN nflow.secrets.key_id IS 'Of the key, which is never in the database: in the configuration, or in secrets.key of the data folder.';
COMMENT ON COLUMN nflow.secrets.revision IS 'New with each change: every gateway can tell whether it has seen the last one.';
`;
