import type { ActiveWorkflow } from '../../engine/port.ts';
import type { TestRunResult } from '../../engine/test-run.ts';
import type { VersionName, WorkflowAdministration } from '../../registry/port.ts';
import type { HttpTrigger } from '../../workflow/compiled.ts';
import type { WorkflowSource } from '../../workflow/published-source.ts';
import { executionView, type ShownExecution } from '../execution-view.ts';
import { typesIn } from '../node-types.ts';
import { problemOf, problemText, refusal } from '../problem.ts';
import { RequestRefused } from '../request-refused.ts';
import { type ApiServer, apiPath, problems } from './api-server.ts';
import { sourceOf } from './given-source.ts';
import { type ApiParts, required } from './parts.ts';
import { testBody, testResultSchema, workflowParams } from './schemas/workflow-schemas.ts';
import { invalidWorkflow } from './workflow-view.ts';

export function addTestRunRoutes(app: ApiServer, parts: ApiParts): void {
  app.post(
    `${apiPath}/workflows/:name/test`,
    {
      schema: {
        operationId: 'testWorkflow',
        tags: ['workflows'],
        summary: 'Run a draft or a version once, with a test input',
        description:
          'The execution is answered with its steps, and is in no history. Its effects are performed, unless it is a dry run. An execution that fails is a result too: status and body are what a client would get.',
        params: workflowParams,
        body: testBody,
        response: {
          200: testResultSchema,
          ...problems(
            'invalid_input',
            'bad_body',
            'not_found',
            'body_too_large',
            'unsupported_media_type',
            'invalid_workflow',
            'queue_full',
            'pool_exhausted',
            'circuit_open',
            'draining',
            'not_available',
          ),
        },
      },
    },
    async (request) => {
      const given = request.body ?? { files: {}, dryRun: false };
      const catalog = required(parts.catalog, 'a database: it has no versions and drafts');
      const testRuns = required(parts.testRuns, 'runners');
      if (given.body !== undefined && given.input !== undefined) throw eitherBodyOrInput();
      const { name } = request.params;
      const from =
        given.definition === undefined
          ? (given.version ?? (await defaultVersion(catalog, name)))
          : sourceOf(given.definition, given.files);
      const workflow = await prepare(catalog, name, from);
      const input =
        given.input === undefined
          ? httpInput(workflow, given.body ?? null)
          : { inputJson: JSON.stringify(given.input), body: null };
      const result = await testRuns.run({ workflow, ...input, dryRun: given.dryRun });
      // It never began: that says nothing of the workflow.
      if (result.execution === null && result.answer.error?.retryable === true) throw result.answer.error;
      return resultView(workflow, result);
    },
  );
}

async function defaultVersion(catalog: WorkflowAdministration, name: string): Promise<VersionName> {
  return (await catalog.get(name)).draftUpdatedAt === null ? 'published' : 'draft';
}

async function prepare(
  catalog: WorkflowAdministration,
  name: string,
  from: VersionName | WorkflowSource,
): Promise<ActiveWorkflow> {
  const prepared = await catalog.prepare(name, from);
  if (!prepared.ok) throw new RequestRefused(invalidWorkflow(prepared.findings));
  return prepared.workflow;
}

/** What a request with this body would give, at its first HTTP trigger. */
function httpInput({ compiled }: ActiveWorkflow, body: unknown): { inputJson: string; body: Uint8Array } {
  const trigger = compiled.triggers.find((one): one is HttpTrigger => one.type === 'http');
  const head = {
    method: trigger?.method ?? 'POST',
    path: trigger?.path ?? '/',
    params: {},
    query: {},
    headers: {},
    cookies: {},
  };
  return { inputJson: JSON.stringify(head), body: Buffer.from(JSON.stringify(body)) };
}

function eitherBodyOrInput(): RequestRefused {
  const item = { pointer: '/body', got: 'both body and input', expected: 'one of them' };
  return new RequestRefused(refusal('invalid_input', 'The input is given twice.', [item]));
}

function resultView(workflow: ActiveWorkflow, { answer, execution }: TestRunResult) {
  const { status, headers, body, error } = answer;
  const text = error === null ? textOf(body) : problemText(problemOf(error, answer.executionId));
  return {
    status,
    headers: { ...headers },
    body: text === null ? null : (JSON.parse(text) as unknown),
    execution: execution === null ? null : testExecutionView(workflow, execution),
  };
}

/** The execution of a test run as the API shows it. */
export function testExecutionView(workflow: ActiveWorkflow, ended: NonNullable<TestRunResult['execution']>) {
  const { id, startedAtMs, timing } = ended;
  const startedAt = new Date(startedAtMs);
  const stored: ShownExecution = {
    id,
    workflow: workflow.compiled.name,
    version: workflow.version,
    status: ended.status,
    durability: workflow.compiled.durability,
    trigger: ended.trigger,
    createdAt: startedAt,
    startedAt,
    endedAt: new Date(startedAtMs + timing.totalUs / 1000),
    httpStatus: ended.httpStatus,
    timing: { ...timing, batchWaitUs: 0 },
    input: inputTextOf(ended.inputHead, ended.inputBody),
    output: textOf(ended.output),
    error: textOf(ended.error),
    trace: textOf(ended.trace),
    effects: textOf(ended.effects),
    logs: textOf(ended.logs),
    journal: [],
  };
  return { ...executionView(stored, typesIn(workflow.compiled.definitionText)), trigger: 'test' as const };
}

/** The head is an object without `body`. */
function inputTextOf(head: string | Uint8Array, body: string | Uint8Array | null): string {
  const headText = textOf(head) as string;
  return body === null ? headText : `${headText.slice(0, headText.lastIndexOf('}'))},"body":${textOf(body)}}`;
}

function textOf(text: string | Uint8Array | null): string | null {
  if (text === null || typeof text === 'string') return text;
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('utf8');
}
