/** What nFlow counts, in the text format of Prometheus. The names are fixed: dashboards and alerts rely on them. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type CountTally, type DistributionTally, TalliedCounter, TalliedHistogram } from './tally.ts';

/** State of the runners and their VMs, asked for at a scrape. */
export interface VmPoolStats {
  /** Processes by what they are for. */
  runners: Readonly<Record<'fast' | 'slow' | 'spare' | 'quarantine', number>>;
  vmSize: number;
  vmInUse: number;
  waiting: number;
  exhaustedTotal: number;
  restartsTotal: number;
  killedTotal: number;
  vmCreatedTotal: number;
  handoffsTotal: number;
  evictedTotal: number;
}

/** Workflows that are paused because they crashed. */
export interface CircuitStats {
  open: number;
  openedTotal: number;
}

/** State of the connections to PostgreSQL, asked for at a scrape. */
export interface DatabasePoolStats {
  poolSize: number;
  poolInUse: number;
  poolWaiting: number;
  defaultPartitionRows: number;
  historyBytes: number;
}

/** State of this server's own Redis. */
export interface RedisStats {
  isUp: boolean;
  callsTotal: number;
  failedTotal: number;
}

/** State of the cache, asked for at a scrape. */
export interface CacheStats {
  hitsTotal: number;
  missesTotal: number;
  evictedTotal: number;
  entries: number;
  bytes: number;
}

/** State of the connections to a database that workflows query, asked for at a scrape. */
export interface DatasourcePoolStats {
  datasource: string;
  size: number;
  inUse: number;
  waiting: number;
  exhaustedTotal: number;
}

export interface MetricSources {
  datasources?: () => DatasourcePoolStats[];
  vmPool?: () => VmPoolStats;
  databasePool?: () => DatabasePoolStats;
  circuits?: () => CircuitStats;
  cache?: () => CacheStats | undefined;
  redis?: () => RedisStats | undefined;
}

export interface Metrics {
  onExecution(workflow: string, durability: string, status: string, durationMs: number): void;
  onEffect(kind: string, durationMs: number, ok: boolean): void;
  /** A segment was executed, in a runner of this lane. */
  onSegment(lane: string, durationMs: number): void;
  /** A run has got its VM, this long after it was dispatched. */
  onAcquire(durationMs: number): void;
  /** A commit batch: its rows, and the time until it was committed. */
  onCommit(rows: number, durationMs: number): void;
  /** Rows of `recorded` executions that were given up while PostgreSQL was away. */
  onHistoryDropped(rows: number): void;
  onHttpAnswer(status: number): void;
  /** A request that was refused before an execution existed, by its error code. */
  onRejected(code: string): void;
  /** Where the gauges come from, once their owners exist. */
  watch(sources: MetricSources): void;
  /** The text of a scrape and its content type. */
  expose(): Promise<{ contentType: string; text: string }>;
}

export interface MetricsOptions {
  /** `[vm_pool] enable_metrics`: false leaves the `nflow_vm_pool_*` series out. Default true. */
  vmPoolMetrics?: boolean;
  /** False leaves out CPU, memory, garbage collection and event-loop lag of this process. Default true. */
  processMetrics?: boolean;
}

/** Seconds. From a run that never leaves the VM (tens of microseconds) to one at the longest usual timeout. */
const executionBoundsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const effectBoundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const segmentBoundsSeconds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30];
const acquireBoundsSeconds = [0.00001, 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const commitBoundsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Rows; a batch holds at most 500. */
const batchBounds = [1, 2, 5, 10, 25, 50, 100, 200, 300, 400, 500];

interface WorkflowSeries {
  duration: DistributionTally;
  byStatus: Map<string, CountTally>;
}

export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const sources: MetricSources = {};
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  addVmGauges(registry, sources, options.vmPoolMetrics ?? true);
  addDatabaseGauges(registry, sources);
  addDatasourceGauges(registry, sources);
  addCircuitGauges(registry, sources);
  addCacheGauges(registry, sources);
  addRedisGauges(registry, sources);

  const executions = new TalliedCounter({
    name: 'nflow_executions_total',
    help: 'Executions that ended',
    labelNames: ['workflow', 'status'],
    registry,
  });
  const executionDuration = new TalliedHistogram({
    name: 'nflow_execution_duration_seconds',
    help: 'From the request to the answer',
    labelNames: ['workflow'],
    bounds: executionBoundsSeconds,
    registry,
  });
  const effectDuration = new TalliedHistogram({
    name: 'nflow_effect_duration_seconds',
    help: 'From the start of an effect to its result, by kind',
    labelNames: ['effect'],
    bounds: effectBoundsSeconds,
    registry,
  });
  const segmentDuration = new TalliedHistogram({
    name: 'nflow_segment_duration_seconds',
    help: 'Time in the VM from a result, or the start of a run, to the next wait or the end, by lane',
    labelNames: ['lane'],
    bounds: segmentBoundsSeconds,
    registry,
  });
  const vmAcquire = new TalliedHistogram({
    name: 'nflow_vm_acquire_seconds',
    help: 'From the dispatch of a run until it has a VM',
    labelNames: [],
    bounds: acquireBoundsSeconds,
    registry,
  }).series({});
  const httpRequests = new TalliedCounter({
    name: 'nflow_http_requests_total',
    help: 'HTTP requests answered, by status',
    labelNames: ['status'],
    registry,
  });
  const rejected = new TalliedCounter({
    name: 'nflow_rejected_total',
    help: 'Requests refused before an execution existed, by error code',
    labelNames: ['code'],
    registry,
  });
  const commitRows = new TalliedHistogram({
    name: 'nflow_commit_batch_size',
    help: 'Rows of a commit batch',
    labelNames: [],
    bounds: batchBounds,
    registry,
  }).series({});
  const commitDuration = new TalliedHistogram({
    name: 'nflow_commit_seconds',
    help: 'From sending a commit batch to its commit',
    labelNames: [],
    bounds: commitBoundsSeconds,
    registry,
  }).series({});
  const historyDropped = new TalliedCounter({
    name: 'nflow_history_dropped_total',
    help: 'Rows of recorded executions given up while PostgreSQL was away',
    labelNames: [],
    registry,
  }).series({});

  const byWorkflow = new Map<string, WorkflowSeries>();
  const byEffect = new Map<string, DistributionTally>();
  const byLane = new Map<string, DistributionTally>();
  const byHttpStatus = new Map<number, CountTally>();
  const byCode = new Map<string, CountTally>();

  return {
    onExecution(workflow, _durability, status, durationMs) {
      const series = known(byWorkflow, workflow, () => ({
        duration: executionDuration.series({ workflow }),
        byStatus: new Map(),
      }));
      series.duration.observe(durationMs / 1000);
      known(series.byStatus, status, () => executions.series({ workflow, status })).value++;
    },
    onEffect(kind, durationMs) {
      known(byEffect, kind, () => effectDuration.series({ effect: kind })).observe(durationMs / 1000);
    },
    onSegment(lane, durationMs) {
      known(byLane, lane, () => segmentDuration.series({ lane })).observe(durationMs / 1000);
    },
    onAcquire(durationMs) {
      vmAcquire.observe(durationMs / 1000);
    },
    onCommit(rows, durationMs) {
      commitRows.observe(rows);
      commitDuration.observe(durationMs / 1000);
    },
    onHistoryDropped(rows) {
      historyDropped.value += rows;
    },
    onHttpAnswer(status) {
      known(byHttpStatus, status, () => httpRequests.series({ status: String(status) })).value++;
    },
    onRejected(code) {
      known(byCode, code, () => rejected.series({ code })).value++;
    },
    watch(added) {
      Object.assign(sources, added);
    },
    async expose() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function known<K, V>(series: Map<K, V>, key: K, create: () => V): V {
  let found = series.get(key);
  if (found === undefined) {
    found = create();
    series.set(key, found);
  }
  return found;
}

function addVmGauges(registry: Registry, sources: MetricSources, showPool: boolean): void {
  const add = (kind: 'gauge' | 'counter', name: string, help: string, read: (stats: VmPoolStats) => number): void =>
    addScraped(registry, kind, name, help, () => {
      const stats = sources.vmPool?.();
      return stats === undefined ? null : read(stats);
    });
  add(
    'counter',
    'nflow_runner_restarts_total',
    'Runners started in the place of one that ended',
    (stats) => stats.restartsTotal,
  );
  add('counter', 'nflow_runner_killed_total', 'Runners ended by the watchdog', (stats) => stats.killedTotal);
  add(
    'counter',
    'nflow_runner_handoffs_total',
    'Times that a runner left the fast lane because of a long segment',
    (stats) => stats.handoffsTotal,
  );
  for (const lane of ['fast', 'slow', 'spare', 'quarantine'] as const) {
    add('gauge', `nflow_runner_${lane}`, `Runners: ${lane}`, (stats) => stats.runners[lane]);
  }
  if (!showPool) return;
  add('gauge', 'nflow_vm_pool_size', 'VMs that exist', (stats) => stats.vmSize);
  add('gauge', 'nflow_vm_pool_in_use', 'VMs that execute or hold an unfinished run', (stats) => stats.vmInUse);
  add('gauge', 'nflow_vm_pool_utilization', 'VMs in use over VMs that exist, 0 to 1', (stats) =>
    stats.vmSize === 0 ? 0 : stats.vmInUse / stats.vmSize,
  );
  add('gauge', 'nflow_vm_pool_waiting', 'Segments that wait for a VM', (stats) => stats.waiting);
  add(
    'counter',
    'nflow_vm_pool_exhausted_total',
    'Runs refused because every VM was executing',
    (stats) => stats.exhaustedTotal,
  );
  add(
    'counter',
    'nflow_vm_evicted_runs_total',
    'Waiting runs that left their VM, to come back by replay',
    (stats) => stats.evictedTotal,
  );
  add('counter', 'nflow_vm_created_total', 'VMs made', (stats) => stats.vmCreatedTotal);
}

function addCircuitGauges(registry: Registry, sources: MetricSources): void {
  const add = (kind: 'gauge' | 'counter', name: string, help: string, read: (stats: CircuitStats) => number): void =>
    addScraped(registry, kind, name, help, () => {
      const stats = sources.circuits?.();
      return stats === undefined ? null : read(stats);
    });
  add('gauge', 'nflow_circuits_open', 'Workflows that are paused because they crashed', (stats) => stats.open);
  add('counter', 'nflow_circuits_opened_total', 'Times that a workflow was paused', (stats) => stats.openedTotal);
}

function addCacheGauges(registry: Registry, sources: MetricSources): void {
  const add = (kind: 'gauge' | 'counter', name: string, help: string, read: (stats: CacheStats) => number): void =>
    addScraped(registry, kind, name, help, () => {
      const stats = sources.cache?.();
      return stats === undefined ? null : read(stats);
    });
  add('counter', 'nflow_cache_hits_total', 'Values given from the cache', (stats) => stats.hitsTotal);
  add(
    'counter',
    'nflow_cache_misses_total',
    'Values asked of the cache that it did not have',
    (stats) => stats.missesTotal,
  );
  add(
    'counter',
    'nflow_cache_evicted_total',
    'Values that left the cache before their time because there was no room',
    (stats) => stats.evictedTotal,
  );
  add('gauge', 'nflow_cache_entries', 'Values in the memory of the cache', (stats) => stats.entries);
  add('gauge', 'nflow_cache_bytes', 'Memory that the cache takes', (stats) => stats.bytes);
}

function addRedisGauges(registry: Registry, sources: MetricSources): void {
  const add = (kind: 'gauge' | 'counter', name: string, help: string, read: (stats: RedisStats) => number): void =>
    addScraped(registry, kind, name, help, () => {
      const stats = sources.redis?.();
      return stats === undefined ? null : read(stats);
    });
  add('gauge', 'nflow_redis_up', 'Whether Redis answers; 0 where none is configured', (stats) => (stats.isUp ? 1 : 0));
  add('counter', 'nflow_redis_calls_total', 'Calls to Redis', (stats) => stats.callsTotal);
  add(
    'counter',
    'nflow_redis_failed_calls_total',
    'Calls to Redis that had no answer, or were not made while it was away',
    (stats) => stats.failedTotal,
  );
}

function addDatabaseGauges(registry: Registry, sources: MetricSources): void {
  const add = (name: string, help: string, read: (stats: DatabasePoolStats) => number): void =>
    addScraped(registry, 'gauge', name, help, () => {
      const stats = sources.databasePool?.();
      return stats === undefined ? null : read(stats);
    });
  add('nflow_db_pool_size', 'Connections to PostgreSQL', (stats) => stats.poolSize);
  add('nflow_db_pool_in_use', 'Connections to PostgreSQL with work under way', (stats) => stats.poolInUse);
  add('nflow_db_pool_waiting', 'Requests that wait for a connection to PostgreSQL', (stats) => stats.poolWaiting);
  add(
    'nflow_default_partition_rows',
    'Rows of the history in a default partition: more than 0 when a clock is wrong',
    (stats) => stats.defaultPartitionRows,
  );
  add('nflow_history_bytes', 'Disk space of executions and journals with their indexes', (stats) => stats.historyBytes);
}

function addDatasourceGauges(registry: Registry, sources: MetricSources): void {
  const labelNames = ['datasource'] as const;
  const add = (name: string, help: string, read: (stats: DatasourcePoolStats) => number): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const stats of sources.datasources?.() ?? []) this.set({ datasource: stats.datasource }, read(stats));
      },
    });
  };
  add('nflow_datasource_pool_size', 'Connections to a datasource', (stats) => stats.size);
  add('nflow_datasource_pool_in_use', 'Connections to a datasource with a call under way', (stats) => stats.inUse);
  add('nflow_datasource_pool_waiting', 'Calls that wait for a connection to a datasource', (stats) => stats.waiting);
  new Counter({
    name: 'nflow_datasource_pool_exhausted_total',
    help: 'Calls that failed because every connection to a datasource was in use',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { datasource, exhaustedTotal } of sources.datasources?.() ?? [])
        this.inc({ datasource }, exhaustedTotal);
    },
  });
}

/** A series whose value is asked for at a scrape; null: not there yet. */
function addScraped(
  registry: Registry,
  kind: 'gauge' | 'counter',
  name: string,
  help: string,
  read: () => number | null,
): void {
  const configuration = { name, help, registers: [registry] };
  if (kind === 'gauge') {
    new Gauge({
      ...configuration,
      collect() {
        this.set(read() ?? 0);
      },
    });
  } else {
    new Counter({
      ...configuration,
      collect() {
        this.reset();
        this.inc(read() ?? 0);
      },
    });
  }
}
