/** The settings of the embedded server: one table, each with its reason. It becomes the cluster's `postgresql.conf` at every start. */
import { statfsSync } from 'node:fs';
import os from 'node:os';

const mebibyte = 1024 * 1024;

export interface ServerSetting {
  readonly name: string;
  readonly value: string;
  readonly reason: string;
}

/**
 * @param freeBytes free disk where the cluster lies.
 * @param major PostgreSQL's major version: some settings exist from one on.
 */
export function embeddedSettings(
  socketDir: string,
  major: number,
  memoryBytes: number,
  freeBytes: number,
): ServerSetting[] {
  const sharedBuffersMiB = clamp(Math.floor(memoryBytes / 8 / mebibyte), 64, 2048);
  // The write-ahead log may take a quarter of what is free, so that a small disk is not filled by it.
  const walMaxMiB = clamp(Math.floor(freeBytes / 4 / mebibyte), 256, 8192);
  const settings: (ServerSetting & { since?: number; platform?: NodeJS.Platform })[] = [
    { name: 'listen_addresses', value: '', reason: 'no TCP: only this machine, only through the socket' },
    { name: 'unix_socket_directories', value: socketDir, reason: 'a folder that only our user may enter' },
    { name: 'unix_socket_permissions', value: '0700', reason: 'and a socket that only our user may open' },
    { name: 'port', value: '5432', reason: 'part of the socket file name only' },
    { name: 'password_encryption', value: 'scram-sha-256', reason: 'the socket asks for a password as well' },
    { name: 'max_connections', value: '100', reason: 'several gateways with a handful of connections each, and psql' },
    { name: 'fsync', value: 'on', reason: 'an acknowledged execution is on the disk' },
    { name: 'full_page_writes', value: 'on', reason: 'a torn page is repaired after a power cut' },
    { name: 'synchronous_commit', value: 'on', reason: 'a commit is answered when it is durable' },
    { name: 'wal_level', value: 'minimal', reason: 'nothing replicates from it: fewer bytes a commit' },
    { name: 'max_wal_senders', value: '0', reason: 'needed by wal_level = minimal' },
    {
      name: 'wal_buffers',
      value: '16MB',
      reason:
        'a batch does not wait for a buffer; four times as much gains nothing and is cleared at every start: 0.4 s',
    },
    {
      name: 'max_wal_size',
      value: `${walMaxMiB}MB`,
      reason: 'checkpoints by time, not by volume; at most a quarter of the free disk',
    },
    {
      name: 'min_wal_size',
      value: `${Math.min(1024, walMaxMiB / 2)}MB`,
      reason: 'log files are used again: making one costs a commit 16 MB of writes',
    },
    {
      name: 'checkpoint_timeout',
      value: '15min',
      reason: 'each page is written whole once a checkpoint: fewer checkpoints, less log',
    },
    { name: 'checkpoint_completion_target', value: '0.9', reason: 'spread the writes of a checkpoint' },
    {
      name: 'shared_buffers',
      value: `${sharedBuffersMiB}MB`,
      reason: 'an eighth of memory, at most 2 GB: the runners need the rest',
    },
    { name: 'dynamic_shared_memory_type', value: 'mmap', reason: 'containers have a small /dev/shm' },
    { name: 'max_parallel_workers_per_gather', value: '0', reason: 'a listing must not take the cores of the runners' },
    { name: 'jit', value: 'off', reason: 'our statements are short: compiling them costs more than it saves' },
    { name: 'update_process_title', value: 'off', reason: 'a system call less a statement' },
    {
      name: 'recovery_init_sync_method',
      value: 'syncfs',
      platform: 'linux',
      reason: 'after a crash one call flushes the data folder, not one for each of its thousands of files',
    },
    { name: 'restart_after_crash', value: 'on', reason: 'a crashed backend does not end the server' },
    { name: 'timezone', value: 'UTC', reason: 'times are UTC everywhere' },
    { name: 'log_timezone', value: 'UTC', reason: 'times are UTC everywhere' },
    { name: 'log_destination', value: 'stderr', reason: 'nFlow reads it and logs it in its own format' },
    { name: 'logging_collector', value: 'off', reason: 'the same' },
    { name: 'log_line_prefix', value: '', reason: 'nFlow adds time and source' },
    { name: 'log_min_messages', value: 'warning', reason: 'what an operator has to know' },
    {
      name: 'log_min_error_statement',
      value: 'panic',
      reason: 'statements carry payloads: they do not belong in a log',
    },
    { name: 'log_error_verbosity', value: 'terse', reason: 'details quote values of rows: the same' },
    { name: 'log_checkpoints', value: 'off', reason: 'no news every 15 minutes' },
    { name: 'io_method', value: 'sync', since: 18, reason: 'reads are few and cached: no I/O worker processes' },
  ];
  return settings.filter(
    ({ since, platform }) => (since ?? 0) <= major && (platform === undefined || platform === process.platform),
  );
}

/** Text of `postgresql.conf`. */
export function renderSettings(settings: ServerSetting[]): string {
  const lines = settings.map(({ name, value, reason }) => `# ${reason}\n${name} = '${value.replaceAll("'", "''")}'\n`);
  return `# Written by nFlow at every start: changes are lost.\n\n${lines.join('\n')}`;
}

export function machineMemoryBytes(): number {
  const limit = process.constrainedMemory();
  // Without a limit it is 0 or a number beyond any machine.
  return limit > 0 && limit < os.totalmem() ? limit : os.totalmem();
}

export function freeDiskBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
