/**
 * What belongs to the format of workflow files and does not exist in this version. It is refused by name: a key that was
 * ignored would promise what does not happen.
 */
export const notAvailable = {
  workflowKeys: ['concurrency', 'maxAge', 'secrets', 'auth', 'retry', 'cache', 'onError'],
  triggerTypes: ['schedule', 'queue', 'form', 'event', 'batch', 'workflow'],
  triggerKeys: ['mode', 'auth', 'schema', 'idempotencyKey', 'cache'],
  nodeTypes: [
    'parallel',
    'map',
    'loop',
    'wait',
    'signal',
    'form',
    'approval',
    'call',
    'sql',
    'redis',
    'file',
    'session',
    'cache',
    'template',
    'mail',
  ],
  nodeKeys: ['retry', 'auth', 'cache', 'onError', 'timeout', 'idempotencyKey', 'atMostOnce'],
  /** Beside the keys of every node. */
  keysOfNodeType: { respond: ['next'] } as Readonly<Record<string, readonly string[]>>,
  /** Names of the scope of expressions that nothing sets yet. */
  scopeNames: ['secrets', 'error', 'item', 'index'],
  ctx: ['secretRef', 'sql', 'redis', 'file', 'session', 'cache', 'mail', 'template', 'call', 'waitForSignal', 'emit'],
} as const;
