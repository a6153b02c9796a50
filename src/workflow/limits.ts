/** Limits of a workflow. Each has a finding that names it; together they bound what compiling one may cost. */
export const workflowLimits = {
  /** UTF-16 code units of a workflow file, and of the published text with its code inlined. */
  textSizeMax: 4 * 1024 * 1024,
  /** Nesting of objects and arrays in a workflow file. */
  depthMax: 64,
  nodesMax: 500,
  /** Edges between nodes, each `next`, `then`, case … counted. */
  edgesMax: 5000,
  triggersMax: 100,
  casesMax: 500,
  descriptionLengthMax: 2000,
  /** UTF-16 code units of the code of one node. */
  codeSizeMax: 1024 * 1024,
  /** UTF-16 code units of the npm packages that a workflow imports: every VM of it compiles them. */
  bundleSizeMax: 1024 * 1024,
  /** UTF-16 code units of one expression: past it, it is code and belongs into a code node. */
  expressionSizeMax: 10_000,
  pathLengthMax: 1000,
  headersMax: 100,
  /** Bytes of the files of one upload. */
  uploadSizeMax: 64 * 1024 * 1024 * 1024,
  /** Files of one upload. */
  uploadFilesMax: 100,
  /** A run holds memory until it ends, so it may not take for ever. */
  timeoutMsMax: 86_400_000,
  /** Findings shown of one file; a file with more is usually not what it was taken for. */
  findingsMax: 100,
} as const;
