import type { Config } from '../../config/config.ts';
import { workflowLimits } from '../../workflow/limits.ts';
import { adminBodySizeMax } from './json-body.ts';

/** The limits that an author or an operator meets, by name with its unit. */
export function limitsOf({ server, vmPool, history }: Config): Readonly<Record<string, number>> {
  return {
    bodySizeMaxBytes: server.bodySizeMax,
    headerSizeMaxBytes: server.headerSizeMax,
    urlSizeMaxBytes: server.urlSizeMax,
    jsonDepthMax: server.jsonDepthMax,
    maxInflightBytes: server.maxInflightBytes,
    requestTimeoutMs: server.requestTimeoutMs,
    drainTimeoutMs: server.drainTimeoutMs,
    adminBodySizeMaxBytes: adminBodySizeMax,
    vmPoolMaxSize: vmPool.maxSize,
    acquireTimeoutMs: vmPool.acquireTimeoutMs,
    maxExecutionMs: vmPool.maxExecutionMs,
    maxMemoryMiB: vmPool.maxMemoryMiB,
    historyBufferRows: history.buffer,
    workflowTextSizeMax: workflowLimits.textSizeMax,
    workflowNodesMax: workflowLimits.nodesMax,
    codeSizeMax: workflowLimits.codeSizeMax,
    timeoutMaxMs: workflowLimits.timeoutMsMax,
  };
}
