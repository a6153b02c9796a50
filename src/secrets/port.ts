/** Secrets, as effects and administration see them. */

/** Where a secret may go, and who may send it. */
export interface SecretBinding {
  /** `host`, `*.host` or `host:port` (`config/bound-hosts.ts`): where the http effect may send it. */
  hosts: string[];
  /** Kinds of other effects that may be given it. */
  effects: string[];
  /** Patterns of the workflows that it is granted to. */
  workflows: string[];
}

export interface Secret {
  name: string;
  value: string;
  /** Null for one of this process's environment, which is bound to nothing. */
  binding: SecretBinding | null;
}

/** The secrets of a server, in memory: nothing here waits. */
export interface SecretSource {
  find(name: string): Secret | null;
  /** Those that are granted to the workflow. */
  grantedTo(workflow: string): readonly Secret[];
  /** Counts up with every change: what was made of the secrets before is out of date. */
  readonly revision: number;
}

/** A secret without its value, which is never shown. */
export interface SecretSummary extends SecretBinding {
  name: string;
  /** False when none of the keys opens it. */
  isReadable: boolean;
  /** Which key it is encrypted with. */
  keyId: string;
  createdAt: Date;
  updatedAt: Date;
}

export interface SecretAdministration {
  list(): Promise<SecretSummary[]>;
  /** Throws NflowError `invalid_input`. */
  set(name: string, value: unknown, binding: SecretBinding): Promise<SecretSummary>;
  /** Throws NflowError `not_found`. */
  delete(name: string): Promise<void>;
  /** Encrypts every secret anew, with a new key or the configured one. Throws NflowError. */
  rotateKey(): Promise<{ keyId: string; secrets: number }>;
}
