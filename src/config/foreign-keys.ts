/**
 * Names that a configuration may hold although nothing here reads them: those of the original nFlow, accepted so that its file
 * starts, and those that are promised for later versions, refused by name so that nobody relies on them in silence.
 */

/** Whole sections of the original, with whatever is in them, and what does their work here; empty where nothing does. */
export const inheritedSections: Readonly<Record<string, string>> = {
  tracker: 'every execution is in the history already; a workflow chooses by its durability',
  debug: '`[log] level` and the history show what happens',
  rate_limit: '',
  security: '',
  env: 'values for expressions are in [vars]',
  url: '',
  twilio: '',
  https_engine: 'put a proxy that speaks TLS before the server',
  https_designer: 'put a proxy that speaks TLS before the server',
  pg_session: '',
  mongo: '',
  plugin: '',
  database: 'the database of nFlow is in [database_nflow]',
};

/** Single keys of the original in sections that otherwise have an effect, or that are still to come. */
const inheritedKeys: Readonly<Record<string, string>> = {
  'database_nflow.query': 'nFlow has its own tables',
  'vm_pool.max_operations': 'vm_pool.max_execution_seconds bounds a run',
  'vm_pool.enable_filesystem': 'code in a VM reaches no files',
  'vm_pool.enable_network': '[egress] allow says where workflows may send requests',
  'vm_pool.enable_process': 'code in a VM starts no processes',
  'monitor.enable_detailed_metrics': 'the metrics are always complete',
  'monitor.metrics_port': '[admin] listen gives administration and metrics an address of its own',
};

/** `query` and its kin, each a statement for a table of the original. */
const inheritedQueryPattern = /^database_nflow\.Query[A-Za-z]+$/;

/** What does the work of a key of the original here (empty where nothing does); null for a key that is none of them. */
export function successorOf(id: string): string | null {
  const section = id.split('.', 1)[0] as string;
  if (Object.hasOwn(inheritedSections, section)) return inheritedSections[section] as string;
  if (inheritedQueryPattern.test(id)) return inheritedKeys['database_nflow.query'] as string;
  return Object.hasOwn(inheritedKeys, id) ? (inheritedKeys[id] as string) : null;
}

/** True for a section that may be there, even empty, for single keys of the original. */
export function hasInheritedKeys(section: string): boolean {
  return Object.keys(inheritedKeys).some((id) => id.startsWith(`${section}.`));
}

/** For the reference: `[section]` and `section.key`. */
export const inheritedNames: readonly string[] = [
  ...Object.keys(inheritedSections).map((name) => `[${name}]`),
  ...Object.keys(inheritedKeys),
];

/** Names of keys that hold something to hide, in the sections of which nothing else is known. */
const secretNamePattern = /password|secret|token|api_?key/i;
const urlWithPasswordPattern = /:\/\/[^/\s:@]*:[^/\s@]+@/;

/** True for a value in an inherited section that a stranger should not read. */
export function isInheritedSecret(name: string, value: unknown): boolean {
  if (typeof value !== 'string' || value === '') return false;
  return /^(dsn|url)$/i.test(name) ? urlWithPasswordPattern.test(value) : secretNamePattern.test(name);
}

/** Sections that a later version has; of `redis` only `[redis.NAME]` is for later. */
export const plannedSections: readonly string[] = ['auth', 'batch', 'redis'];

export const plannedKeys: readonly string[] = ['server.gateways'];
