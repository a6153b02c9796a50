/** Bodies of administration: JSON in UTF-8. One that is none is told where. */
import type { FastifyInstance } from 'fastify';
import { parseJsonDocument } from '../../workflow/parse-file.ts';
import { exceedsJsonDepth } from '../json-depth.ts';
import { type Problem, refusal } from '../problem.ts';
import { RequestRefused } from '../request-refused.ts';

/** Many workflows may come in one request. */
export const adminBodySizeMax = 32 * 1024 * 1024;
/** A definition may have 64 levels, and lies inside of the body. */
const depthMax = 80;
const jsonTypes = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

export function acceptJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    jsonTypes,
    { parseAs: 'buffer', bodyLimit: adminBodySizeMax },
    async (_request: unknown, body: Buffer) => parseJson(body),
  );
}

interface Place {
  line: number;
  column: number;
  /** In the text, from 0. */
  index: number;
}

/** Throws RequestRefused `bad_body` with the place. */
function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (exceedsJsonDepth(body, depthMax)) {
    throw badBody({ line: 1, column: 1 }, `more than ${depthMax} levels of objects and arrays`, `at most ${depthMax}`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw badBody({ line: 1, column: 1 }, 'bytes that are not UTF-8', 'JSON in UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = placeOf((error as SyntaxError).message, text);
    throw badBody(place, gotAt(text, place.index), 'valid JSON');
  }
}

/** V8 names most places. Where it does not, the parser of workflow files does: it allows more, but not that. */
function placeOf(message: string, text: string): Place {
  const found = /at position (\d+)/.exec(message);
  if (found !== null) return placeAt(text, Number(found[1]));
  const [problem] = /end of JSON/.test(message) ? [] : parseJsonDocument(text).problems;
  if (problem === undefined) return placeAt(text, text.length);
  const { line, column } = problem;
  const index = text.split('\n', line - 1).reduce((sum, { length }) => sum + length + 1, column - 1);
  return { line, column, index };
}

function placeAt(text: string, index: number): Place {
  const before = text.slice(0, index).split('\n');
  return { line: before.length, column: (before.at(-1) as string).length + 1, index };
}

function gotAt(text: string, index: number): string {
  const rest = text.slice(index, index + 20);
  return rest === '' ? 'the end of the body' : JSON.stringify(rest);
}

function badBody({ line, column }: Omit<Place, 'index'>, got: string, expected: string): RequestRefused {
  const problem: Problem = refusal('bad_body', `The body is not JSON: see line ${line}, column ${column}.`, [
    { pointer: '', got, expected, line, column },
  ]);
  return new RequestRefused(problem);
}
