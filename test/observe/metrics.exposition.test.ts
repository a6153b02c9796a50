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
  metrics.onCommit(40, 2);
  metrics.onHistoryDropped(7);
  metrics.onHttpAnswer(200);
  metrics.onHttpAnswer(200);
  metrics.onRejected('queue_full');
  metrics.watch({
    vmPool: () => ({
      runners: 2,
      vmSize: 8,
      vmInUse: 2,
      waiting: 1,
      exhaustedTotal: 4,
      restartsTotal: 5,
      killedTotal: 6,
      vmCreatedTotal: 9,
    }),
    databasePool: () => ({ poolSize: 4, poolInUse: 3, poolWaiting: 2 }),
  });
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
    'nflow_db_pool_size 4',
    'nflow_db_pool_in_use 3',
    'nflow_db_pool_waiting 2',
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
      runners: 1,
      vmSize: 0,
      vmInUse: 0,
      waiting: 0,
      exhaustedTotal: 3,
      restartsTotal: 0,
      killedTotal: 0,
      vmCreatedTotal: 0,
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
