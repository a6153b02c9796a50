import { type Node, type Program, parse } from 'acorn';
import { problemOf, type SyntaxProblem } from '../javascript.ts';
import { LineMap, type Place } from '../line-map.ts';
import { stripTypes } from '../typescript.ts';
import { nodesOf } from './tree.ts';

/** One module of a workflow file: the file itself, or one that it imports. */
export interface ParsedModule {
  /** Real path. */
  path: string;
  /** As findings show it. */
  shownAs: string;
  /** As functions from it name it: relative to the workflow file, beginning with `./` or `../`. */
  name: string;
  /** As written. */
  source: string;
  /** With blanks in the place of types: every other character stands where it stood. */
  javascript: string;
  tree: Program;
  lines: LineMap;
}

export interface ModuleProblem extends Place {
  code: string;
  got: string;
  expected: string;
  message: string;
}

export type ModuleResult = { ok: true; module: ParsedModule } | { ok: false; shownAs: string; problem: ModuleProblem };

const moduleExpected = 'a JavaScript or TypeScript module';

/** Parses a module. TypeScript when its name ends with `.ts`. */
export function parseModule(path: string, shownAs: string, name: string, source: string): ModuleResult {
  let javascript = source;
  if (path.endsWith('.ts')) {
    const stripped = stripTypes(source, 'module');
    if (!stripped.ok) {
      const { line, column, got, message } = stripped.problem;
      return {
        ok: false,
        shownAs,
        problem: { line, column, code: 'syntax-error', got, expected: moduleExpected, message },
      };
    }
    javascript = stripped.source;
  }
  const lines = new LineMap(source);
  let tree: Program;
  try {
    tree = parse(javascript, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: false });
  } catch (error) {
    const { index, kind, got, message: said }: SyntaxProblem = problemOf(error, source, 0);
    const message = kind === 'import' ? 'Imports and exports stand at the top level of a module.' : said;
    const place = lines.placeOf(index);
    return { ok: false, shownAs, problem: { ...place, code: 'syntax-error', got, expected: moduleExpected, message } };
  }
  const bad = findImportExpression(tree);
  if (bad !== null) {
    const got = source.slice(bad.start, Math.min(bad.end, bad.start + 60));
    const message =
      'A workflow file imports at its top, by "import … from": it is evaluated apart from everything else.';
    const place = lines.placeOf(bad.start);
    return {
      ok: false,
      shownAs,
      problem: { ...place, code: 'not-available', got, expected: 'import … from "./name.ts"', message },
    };
  }
  return { ok: true, module: { path, shownAs, name, source, javascript, tree, lines } };
}

/** `import(…)` and `import.meta`. */
function findImportExpression(tree: Program): Node | null {
  for (const { node } of nodesOf(tree)) {
    if (node.type === 'ImportExpression') return node;
    if (node.type === 'MetaProperty' && (node as Node & { meta: { name: string } }).meta.name === 'import') return node;
  }
  return null;
}
