import { formatDuration } from '../src/config/duration.ts';
import { type EffectNode, policyAbout } from '../src/effects/definition.ts';
import { type effectNodeSchemas, effectOfNodeType } from '../src/effects/definitions.ts';
import { nodeSchemas, triggerSchemas, workflowSchema } from '../src/workflow/definition.ts';
import { workflowLimits } from '../src/workflow/limits.ts';

const onErrorAbout =
  'Where it goes on when it has failed: the node there has `error`, `{ code, message, node, reason, status, attempts }`. Without it the run fails.';

/** What validation cannot know: what a key is for. A key without its line here is an error, so that none stays undocumented. */
const about: Readonly<Record<string, string>> = {
  'workflow.format': 'The format of the file.',
  'workflow.name': 'The name in history, metrics and API. Unique on a server.',
  'workflow.description': 'For people.',
  'workflow.triggers': 'What starts it; without any it is started by hand (`nflow run`, a test run).',
  'workflow.durability': 'When the answer leaves: see [what survives what](../explanation/durability.md).',
  'workflow.isolation':
    '`fresh` gives every run a realm of its own, at about six milliseconds a run, and a VM of its own while it waits. With imports of packages: leave it out, or `fresh`.',
  'workflow.timeout': 'Wall time from the request to the end; default 30s. Past it the run ends `timed_out`.',
  'workflow.trustGroup': 'Workflows of different groups never share a runner process. Default: all are of one group.',
  'workflow.nodes': 'The graph.',
  'workflow.start': 'The first node; default: the first in the file.',
  'workflow.history': '`class`: the retention class of its executions, one of `[history] classes`.',
  'workflow.layout': 'Where an editor draws the nodes; nFlow keeps it and does not look at it.',
  'http.type': '',
  'http.method': 'One method; a workflow may have several triggers.',
  'http.path':
    'Fixed parts, `:name` for one segment, `*` at the end for the rest. Fixed goes before `:name`, that before `*`; `/a` and `/a/` are one.',
  'http.headers':
    'Request headers that `input.headers` shows, instead of the default ones. Tokens do not belong into the history: name what you need.',
  'http.cookies': 'Cookies that `input.cookies` shows. Default none.',
  'http.rawBody': '`input.rawBody` has the body as it arrived, for checking signatures. Default false.',
  'http.sandboxHtml': 'HTML answers carry a sandboxing `Content-Security-Policy`. Default true.',
  'http.cors': 'Which pages of other origins may call it; default `[cors]` of the configuration.',
  'http.uploads':
    'Takes `multipart/form-data`: `maxSize` bytes of all files, `maxFiles` (10). See [files](../how-to/files.md#uploads).',
  'manual.type': '',
  'code.type': '',
  'code.code': 'The body of an async function of `(input, ctx, nodes, prev)`, or the file that holds it.',
  'code.next': 'Where it goes on; without it the run ends here.',
  'code.onError': onErrorAbout,
  'if.type': '',
  'if.condition': 'An expression, with or without braces.',
  'if.then': 'When it is truthy; missing: the run ends.',
  'if.else': 'When it is not; missing: the run ends.',
  'if.onError': onErrorAbout,
  'switch.type': '',
  'switch.value': 'What `equals` is compared with, by `===` on JSON values.',
  'switch.cases': 'The first case that matches: `equals` a value, or `when` an expression is truthy.',
  'switch.default': 'When none matches; missing: the error `switch_no_match`.',
  'switch.onError': onErrorAbout,
  'set.type': '',
  'set.values': 'Names and templates.',
  'set.next': 'Where it goes on.',
  'set.onError': onErrorAbout,
  'respond.type': '',
  'respond.status': 'Default 200.',
  'respond.headers': 'An array repeats the header.',
  'respond.body': 'A template. With a `content-type` that is not JSON, a text is sent as it is.',
  'respond.file':
    'Answers with this file instead of a body, as it is on the disk; a template. Its `content-type` is that of its ending, unless `headers` say one.',
  'respond.area': '`own` (the default) or `shared`: where the file is.',
  'fail.type': '',
  'fail.code': 'For machines: `reason` in the answer.',
  'fail.message':
    'For people: `detail` in the answer. The only way that words of a workflow reach the client in an error.',
  'fail.status': 'Default 422.',
  'fail.details': 'A template: `details` in the answer.',
  'end.type': '',
  'end.output': 'The output of the run; default: the output of the node before.',
};

const outputs: Readonly<Record<Exclude<keyof typeof nodeSchemas, keyof typeof effectNodeSchemas>, string>> = {
  code: 'The return value, as JSON.',
  if: 'The boolean.',
  switch: 'The index of the case that matched, or -1.',
  set: 'The object.',
  respond: 'What was sent. The run ends.',
  fail: 'None. The run ends `failed`.',
  end: '`output`. The run ends.',
};

interface Shape {
  readonly shape: Readonly<
    Record<string, { safeParse(value: unknown): { success: boolean; error?: { issues: { message: string }[] } } }>
  >;
}

/** Of the node of an effect, whose definition says what its keys are for. */
function aboutOfEffect({ fields, timeoutMsDefault }: EffectNode, key: string): string | undefined {
  const text = fields[key]?.about ?? policyAbout[key as keyof typeof policyAbout];
  return key === 'timeout' ? `${text} Default ${formatDuration(timeoutMsDefault)}.` : text;
}

function nodeSection(type: keyof typeof nodeSchemas): string {
  const effect = effectOfNodeType(type)?.node;
  const rows =
    effect === undefined
      ? table(nodeSchemas[type] as unknown as Shape, (key) => about[`${type}.${key}`], type)
      : table(effect.schema as unknown as Shape, (key) => aboutOfEffect(effect, key), type);
  const output = effect === undefined ? outputs[type as keyof typeof outputs] : effect.output;
  return `### ${type} node\n${rows}\n\nOutput: ${output}\n`;
}

function table(schema: Shape, aboutOf: (key: string) => string | undefined, where: string): string {
  const rows = Object.entries(schema.shape)
    .filter(([key]) => key !== 'type')
    .map(([key, value]) => {
      const what = aboutOf(key);
      if (what === undefined) throw new Error(`nothing says what ${where}.${key} is for`);
      const isNeeded = !value.safeParse(undefined).success;
      // What validation says is allowed is what it answers to something that never is.
      const allowed = value.safeParse(Symbol()).error?.issues[0]?.message ?? '';
      return `| \`${key}\`${isNeeded ? ' (needed)' : ''} | ${allowed.replaceAll('|', '\\|')} | ${what} |`;
    });
  return rows.length === 0 ? 'No other keys.' : `| key | value | |\n|---|---|---|\n${rows.join('\n')}`;
}

/** The reference of the workflow file, as Markdown. */
export function workflowReference(): string {
  const triggers = Object.entries(triggerSchemas).map(
    ([type, schema]) => `### ${type}\n${table(schema as unknown as Shape, (key) => about[`${type}.${key}`], type)}\n`,
  );
  const nodes = Object.keys(nodeSchemas).map((type) => nodeSection(type as keyof typeof nodeSchemas));
  return `# Workflow file
<!-- Written by tools/workflow-reference.ts from src/workflow/definition.ts and src/effects/*/definition.ts: change those. -->
A workflow is a file \`NAME.workflow.json\`, or \`NAME.workflow.ts\` or \`.js\` with a default export of the same shape and functions as code. JSON may have comments and trailing commas. \`npx nflow validate PATH\` says
what is wrong with file, line, column and what is allowed.

## The file
${table(workflowSchema as unknown as Shape, (key) => about[`workflow.${key}`], 'workflow')}

## Triggers
${triggers.join('\n')}
## Nodes
The name of a node is a name of JavaScript: \`nodes.NAME\` is its output once it has run.

${nodes.join('\n')}
## Expressions and templates
\`{{ … }}\` holds a JavaScript expression over \`input\`, \`nodes\`, \`prev\`, \`vars\`, \`execution\`. It is evaluated in the VM, like all code. A text that is exactly one \`{{ … }}\` keeps the type of its value; inside of other text
null and undefined are empty, and objects are JSON. Fields of kind *expression* take it with or without braces.

* \`input\`: over HTTP \`{ method, path, params, query, headers, cookies, body }\`. A JSON body is its value, a form an object, text a string, anything else base64 with \`bodyEncoding: "base64"\`. Repeated fields are arrays.
* \`prev\`: the output of the node before. \`nodes.NAME\`: undefined until that node ran.
* \`error\`: in the node that an \`onError\` names, when it was reached by that edge: \`{ code, message, node, reason, status, attempts }\`. \`prev\` is there what the failed node had; the node has no output.
* \`vars.NAME\`: from \`[vars]\` of the configuration. \`execution\`: \`id\`, \`workflow\`, \`version\`, \`attempt\`.

## Answers
Without a \`respond\` node the answer is 200 with the output as JSON, or 204 when it is null. Errors are in [errors](errors.md).

## Limits
${workflowLimits.nodesMax} nodes · ${workflowLimits.edgesMax} edges · ${workflowLimits.triggersMax} triggers · ${workflowLimits.casesMax} cases of a switch · ${workflowLimits.codeSizeMax / 1024 / 1024} MiB of code a node · ${workflowLimits.textSizeMax / 1024 / 1024} MiB a file, nested
${workflowLimits.depthMax} deep · ${workflowLimits.expressionSizeMax} characters an expression
`;
}
