import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, type Metrics } from '../../src/observe/metrics.ts';

async function linesOf(metrics: Metrics): Promise<string[]> {
  return (await metrics.expose()).text.split('\n');
}

test('what was counted is exposed under the fixed names', async () => {
  const metrics = createMetrics({ processMetrics: false });
  metrics.onExecution('order-total', 'durable', 'succeeded', 3);
  metrics.onExecution('order-total', 'durable', 'succeeded', 30);
  metrics.onExecution('order-total', 'durable', 'failed', 700);
  metrics.onEffect('http', 12, true);
  metrics.onSegment('fast', 0.2);
  metrics.onSegment('slow', 60);
  metrics.onAcquire(0.05);
  metrics.onCommit(40, 2);
  metrics.onHistoryDropped(7);
  metrics.onHttpAnswer(200);
  metrics.onHttpAnswer(200);
  metrics.onRejected('queue_full');
  metrics.watch({
    vmPool: () => ({
      runners: { fast: 1, slow: 2, spare: 1, quarantine: 0 },
      vmSize: 8,
      vmInUse: 2,
      waiting: 1,
      exhaustedTotal: 4,
      restartsTotal: 5,
      killedTotal: 6,
      vmCreatedTotal: 9,
      handoffsTotal: 7,
      evictedTotal: 8,
    }),
    databasePool: () => ({ poolSize: 4, poolInUse: 3, poolWaiting: 2, defaultPartitionRows: 5, historyBytes: 6 }),
  });
  metrics.watch({ circuits: () => ({ open: 1, openedTotal: 3 }) });
  const lines = await linesOf(metrics);
  for (const line of [
    'nflow_executions_total{workflow="order-total",status="succeeded"} 2',
    'nflow_executions_total{workflow="order-total",status="failed"} 1',
    'nflow_execution_duration_seconds_bucket{workflow="order-total",le="0.0025"} 0',
    'nflow_execution_duration_seconds_bucket{workflow="order-total",le="0.005"} 1',
    'nflow_execution_duration_seconds_bucket{workflow="order-total",le="0.05"} 2',
    'nflow_execution_duration_seconds_bucket{workflow="order-total",le="+Inf"} 3',
    'nflow_execution_duration_seconds_sum{workflow="order-total"} 0.733',
    'nflow_execution_duration_seconds_count{workflow="order-total"} 3',
    'nflow_effect_duration_seconds_count{effect="http"} 1',
    'nflow_commit_batch_size_sum 40',
    'nflow_commit_seconds_count 1',
    'nflow_history_dropped_total 7',
    'nflow_http_requests_total{status="200"} 2',
    'nflow_rejected_total{code="queue_full"} 1',
    'nflow_vm_pool_size 8',
    'nflow_vm_pool_in_use 2',
    'nflow_vm_pool_utilization 0.25',
    'nflow_vm_pool_waiting 1',
    'nflow_vm_pool_exhausted_total 4',
    'nflow_vm_created_total 9',
    'nflow_runner_restarts_total 5',
    'nflow_runner_killed_total 6',
    'nflow_runner_handoffs_total 7',
    'nflow_runner_slow 2',
    'nflow_vm_evicted_runs_total 8',
    'nflow_vm_acquire_seconds_bucket{le="0.0001"} 1',
    'nflow_segment_duration_seconds_bucket{lane="fast",le="0.00025"} 1',
    'nflow_segment_duration_seconds_count{lane="slow"} 1',
    'nflow_circuits_open 1',
    'nflow_circuits_opened_total 3',
    'nflow_db_pool_size 4',
    'nflow_db_pool_in_use 3',
    'nflow_db_pool_waiting 2',
    'nflow_default_partition_rows 5',
    'nflow_history_bytes 6',
  ]) {
    assert.ok(
      lines.includes(line),
      `${line} in\n${lines.filter((one) => one.startsWith(line.split(/[{ ]/)[0] ?? '')).join('\n')}`,
    );
  }
});

test('counters of the runners do not grow by being scraped', async () => {
  const metrics = createMetrics({ processMetrics: false });
  metrics.watch({
    vmPool: () => ({
      runners: { fast: 1, slow: 0, spare: 0, quarantine: 0 },
      vmSize: 0,
      vmInUse: 0,
      waiting: 0,
      exhaustedTotal: 3,
      restartsTotal: 0,
      killedTotal: 0,
      vmCreatedTotal: 0,
      handoffsTotal: 0,
      evictedTotal: 0,
    }),
  });
  await linesOf(metrics);
  assert.ok((await linesOf(metrics)).includes('nflow_vm_pool_exhausted_total 3'));
});

test('the pool is left out when enable_metrics is off', async () => {
  const lines = await linesOf(createMetrics({ processMetrics: false, vmPoolMetrics: false }));
  assert.equal(
    lines.some((line) => line.startsWith('nflow_vm_pool')),
    false,
  );
  assert.equal(
    lines.some((line) => line.startsWith('nflow_runner_restarts_total')),
    true,
  );
});

test('the process tells its CPU, memory and event-loop lag', async () => {
  const { text } = await createMetrics().expose();
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']) {
    assert.match(text, new RegExp(`^${name} \\S+$`, 'm'));
  }
});
