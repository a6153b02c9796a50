/**
 * What belongs to the format of workflow files and does not exist in this version. It is refused by name: a key that was
 * ignored would promise what does not happen.
 */
export const notAvailable = {
  workflowKeys: ['concurrency', 'maxAge', 'secrets', 'auth', 'retry', 'cache', 'onError'],
  triggerTypes: ['schedule', 'queue', 'form', 'event', 'batch', 'workflow'],
  triggerKeys: ['mode', 'auth', 'schema', 'idempotencyKey', 'cache'],
  nodeTypes: ['parallel', 'map', 'loop', 'wait', 'signal', 'form', 'approval', 'call', 'redis', 'session', 'template'],
  nodeKeys: ['retry', 'auth', 'cache', 'timeout', 'idempotencyKey', 'atMostOnce'],
  /** Beside the keys of every node. */
  keysOfNodeType: { respond: ['next'] } as Readonly<Record<string, readonly string[]>>,
  /** Names of the scope of expressions that nothing sets yet. */
  scopeNames: ['item', 'index'],
  ctx: ['redis', 'session', 'template', 'call', 'waitForSignal', 'emit'],
} as const;
