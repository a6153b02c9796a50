/**
 * Stands in every request that a workflow makes, whatever the workflow sets. Administration refuses such requests: it may be open to
 * this machine's people, and a workflow that may call this machine is not one of them.
 */
export const effectHeader = 'nflow-effect';
