/**
 * Names that a configuration may hold although nothing here reads them: those of the original nFlow, accepted so that its file
 * starts, and those that are promised for later versions, refused by name so that nobody relies on them in silence.
 */

/** Whole sections of the original, with whatever is in them. */
export const inheritedSections: readonly string[] = [
  'tracker',
  'monitor',
  'mail',
  'security',
  'debug',
  'rate_limit',
  'env',
  'url',
  'twilio',
  'https_engine',
  'https_designer',
  'pg_session',
  'mongo',
  'plugin',
  'database',
];

/** Single keys of the original in sections that otherwise have an effect, or that are still to come. */
export const inheritedKeys: readonly string[] = [
  'database_nflow.query',
  'vm_pool.max_operations',
  'vm_pool.enable_filesystem',
  'vm_pool.enable_network',
  'vm_pool.enable_process',
  'redis.host',
  'redis.password',
  'redis.maxconnectionpool',
  'redis.db',
];

/** Sections that a later version has; `redis` holds inherited keys too, the rest of it (`[redis.NAME]`) is for later. */
export const plannedSections: readonly string[] = ['admin', 'auth', 'batch', 'cache', 'datasources', 'files', 'redis'];

export const plannedKeys: readonly string[] = [
  'server.gateways',
  'server.trust_proxy',
  'runners.slow',
  'runners.require',
  'history.max_bytes',
  'history.classes',
];
