import { z } from 'zod';
import { template } from '../../workflow/field-schemas.ts';
import { isTemplate } from '../../workflow/http-fields.ts';
import type { JsonValue } from '../../workflow/parse-file.ts';
import { defineNode, type EffectDefinition, type FieldCheck } from '../definition.ts';
import { sqlLimits, sqlTraits } from './arguments.ts';

const { statementsMax, textSizeMax, pageSizeMax, pageColumnsMax } = sqlLimits;
const statementExpected = 'one statement of SQL with $1, $2, … for what comes in';
const statementText = z
  .string({ error: statementExpected })
  .min(1, { error: statementExpected })
  .max(textSizeMax, { error: `${statementExpected}, at most ${textSizeMax} characters` });
const params = template('an array of values for $1, $2, …');
const yesOrNo = z.boolean({ error: 'true or false' });
const statementsExpected = `an array of 1 to ${statementsMax} objects { "sql", "params" }`;
const pageExpected = 'an object with "by" (names of columns), "size", "descending", "after"';
const insteadOfTemplate = 'write $1, $2, … there and put what comes in into "params"';

const node = defineNode({
  type: 'sql',
  fields: {
    datasource: {
      schema: z.string({ error: 'the name of a datasource' }).min(1, { error: 'the name of a datasource' }).optional(),
      takes: 'fixed',
      about: 'Which of `[datasources]`; default `main`.',
      label: 'Datasource',
      widget: 'text',
    },
    sql: {
      schema: statementText.optional(),
      takes: 'fixed',
      fixedAdvice: insteadOfTemplate,
      about:
        'One statement, with `$1`, `$2`, … for the values of `params`. Its text is fixed: `{{ }}` in it is refused.',
      label: 'SQL',
      widget: 'code',
    },
    params: {
      schema: params.optional(),
      takes: 'template',
      about: 'Values of `$1`, `$2`, …: texts, numbers, booleans, null. An array is one of PostgreSQL, an object JSON.',
      label: 'Values',
      widget: 'json',
    },
    statements: {
      schema: z
        .array(z.strictObject({ sql: statementText, params: params.optional() }, { error: statementsExpected }), {
          error: statementsExpected,
        })
        .min(1, { error: statementsExpected })
        .max(statementsMax, { error: statementsExpected })
        .optional(),
      takes: 'template',
      about: 'Instead of `sql`: several `{ sql, params }`, in one transaction. All take effect, or none.',
      label: 'Statements',
      widget: 'list',
    },
    readOnly: {
      schema: yesOrNo.optional(),
      takes: 'fixed',
      about:
        'True runs them in a `READ ONLY` transaction, which makes the node a safe effect. Default: true for what looks as if it only reads, such as a `SELECT`.',
      label: 'Only reads',
      widget: 'checkbox',
    },
    exactlyOnce: {
      schema: yesOrNo.optional(),
      takes: 'fixed',
      about:
        'False leaves out the row of `nflow_effects` that makes a repeated call return the first one’s result. Default true. Means nothing to what only reads.',
      label: 'Exactly once',
      widget: 'checkbox',
    },
    page: {
      schema: z
        .strictObject(
          {
            by: z
              .array(z.string({ error: 'the name of a column' }), { error: 'an array of names of columns' })
              .min(1, { error: 'at least one column' })
              .max(pageColumnsMax, { error: `at most ${pageColumnsMax} columns` }),
            size: template(`a whole number from 1 to ${pageSizeMax}`),
            descending: yesOrNo.optional(),
            after: template('a cursor').optional(),
          },
          { error: pageExpected },
        )
        .optional(),
      takes: 'template',
      about:
        'One page of a query: `size` rows after the cursor `after`, in the order of the columns `by`, which together are unique and never null.',
      label: 'Page',
      widget: 'json',
    },
  },
  timeoutMsDefault: 30_000,
  output:
    '`{ rows, rowCount }`; of `statements` `{ results }`, one for each; of a page `{ rows, rowCount, nextCursor }`.',
  check: checkFields,
});

function checkFields(given: Readonly<Record<string, JsonValue>>, { pointerOf, report }: FieldCheck): void {
  const { sql, statements, page, readOnly } = given;
  if (sql === undefined && statements === undefined) {
    const message = 'A node of type sql needs "sql", or "statements" for several in one transaction.';
    report({ pointer: pointerOf('sql'), code: 'missing-key', got: 'nothing', expected: '"sql"', message });
  }
  for (const key of ['sql', 'params', 'page']) {
    if (statements === undefined || given[key] === undefined) continue;
    const message = `"${key}" belongs to a single statement: leave it out, or leave out "statements".`;
    const got = `"${key}" beside "statements"`;
    report({ pointer: pointerOf(key), at: 'key', code: 'bad-value', got, expected: 'one of them', message });
  }
  const { params: values } = given;
  if (values !== undefined && !Array.isArray(values) && !isTemplate(values)) {
    refuseParams(pointerOf('params'), values, report);
  }
  for (const [index, statement] of (Array.isArray(statements) ? statements : []).entries()) {
    const one = statement as { sql: string; params?: JsonValue };
    const pointer = `${pointerOf('statements')}/${index}`;
    if (one.params !== undefined && !Array.isArray(one.params) && !isTemplate(one.params)) {
      refuseParams(`${pointer}/params`, one.params, report);
    }
    if (!one.sql.includes('{{')) continue;
    report({
      pointer: `${pointer}/sql`,
      code: 'fixed-value',
      got: JSON.stringify(one.sql.slice(0, 80)),
      expected: 'a statement without {{ }}',
      message: `The text of a statement is fixed when the workflow is published: ${insteadOfTemplate}.`,
    });
  }
  if (page !== undefined && readOnly === false) {
    const message = 'A page is read: leave out "readOnly".';
    const got = '"readOnly": false beside "page"';
    report({ pointer: pointerOf('readOnly'), at: 'key', code: 'bad-value', got, expected: 'one of them', message });
  }
}

function refuseParams(pointer: string, value: JsonValue, report: FieldCheck['report']): void {
  const message = 'The values are an array, the first one for $1, or one expression that gives it.';
  report({ pointer, code: 'bad-value', got: JSON.stringify(value), expected: 'an array of values', message });
}

export const sqlDefinition = {
  traits: sqlTraits,
  node,
  member: { name: 'sql', isPart: true, namesResourceBy: 'call' },
} satisfies EffectDefinition;
