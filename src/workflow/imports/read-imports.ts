import { type Token, tokenizer, tokTypes } from 'acorn';

/** One name that code imports. */
export interface ImportedName {
  /** As written: `zod`, `./rates.json`. */
  specifier: string;
  /** What the module exports it as: `default`, a name, or `*` for all of them as one object. */
  name: string;
  /** What the code calls it. */
  local: string;
  /** Offset of the statement's specifier. */
  specifierStart: number;
  /** Offset of the name. */
  start: number;
}

export interface ReadImports {
  names: ImportedName[];
  /** Specifiers that are imported for what they do: `import 'x'`. */
  bare: { specifier: string; specifierStart: number }[];
  /** The source with blanks in the place of the imports: every other character keeps its line and column. */
  body: string;
}

/**
 * Reads the imports that code begins with. The rest of it is the body of a function, which no parser takes for one text with imports;
 * an import further down stays where it is, and is refused with the body. Imports of types vanish.
 */
export function readImports(source: string): ReadImports {
  const read: ReadImports = { names: [], bare: [], body: source };
  // Nearly all code has none.
  if (!source.includes('import')) return read;
  const tokens = new TokenReader(source);
  let body = '';
  let kept = 0;
  for (;;) {
    const statement = readStatement(tokens);
    if (statement === null) break;
    read.names.push(...statement.names);
    if (statement.isBare) read.bare.push(statement);
    body += source.slice(kept, statement.start) + blank(source.slice(statement.start, statement.end));
    kept = statement.end;
  }
  read.body = body + source.slice(kept);
  return read;
}

function blank(text: string): string {
  return text.replace(/[^\n\r\u2028\u2029]/g, ' ');
}

/** Reads tokens one ahead; at what is no token of JavaScript, which types can be, it ends. */
class TokenReader {
  readonly #source: string;
  readonly #tokens: Iterator<Token>;
  #next: Token | null = null;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = tokenizer(source, { ecmaVersion: 'latest', sourceType: 'module' })[Symbol.iterator]();
    this.take();
  }

  get next(): Token | null {
    return this.#next;
  }

  textOf({ start, end }: Token): string {
    return this.#source.slice(start, end);
  }

  take(): Token | null {
    const taken = this.#next;
    try {
      const { value, done } = this.#tokens.next();
      this.#next = done === true ? null : value;
    } catch {
      this.#next = null;
    }
    return taken;
  }

  /** Takes the next token if it reads so. */
  takeText(text: string): Token | null {
    return this.#next !== null && this.textOf(this.#next) === text ? this.take() : null;
  }
}

/** Of a string. The parser's types leave it out. */
function stringIn(token: Token): string {
  return String((token as Token & { value: unknown }).value);
}

interface Statement {
  start: number;
  end: number;
  names: ImportedName[];
  specifier: string;
  specifierStart: number;
  isBare: boolean;
}

type Clause = Pick<ImportedName, 'name' | 'local' | 'start'>[];

function readStatement(tokens: TokenReader): Statement | null {
  const first = tokens.next;
  if (first === null || first.type !== tokTypes._import) return null;
  tokens.take();
  const isBare = tokens.next?.type === tokTypes.string;
  const clause = isBare ? [] : readClause(tokens);
  if (clause === null) return null;
  const from = tokens.next;
  if (from === null || from.type !== tokTypes.string) return null;
  tokens.take();
  const attributesEnd = readAttributes(tokens);
  const end = tokens.takeText(';')?.end ?? attributesEnd ?? from.end;
  const specifier = stringIn(from);
  const names = clause.map((one) => ({ ...one, specifier, specifierStart: from.start }));
  return { start: first.start, end, names, specifier, specifierStart: from.start, isBare };
}

/** Up to `from`; null when it is none, such as `import(…)`. */
function readClause(tokens: TokenReader): Clause | null {
  const clause: Clause = [];
  let isType = false;
  for (let position = 0; ; position++) {
    const token = tokens.next;
    if (token === null) return null;
    if (token.type === tokTypes.braceL) {
      const named = readNamed(tokens);
      if (named === null) return null;
      clause.push(...named);
    } else if (token.type === tokTypes.star) {
      tokens.take();
      const local = tokens.takeText('as') === null ? null : tokens.take();
      if (local === null) return null;
      clause.push({ name: '*', local: tokens.textOf(local), start: token.start });
    } else if (token.type === tokTypes.name) {
      tokens.take();
      const startsTypes = position === 0 && tokens.textOf(token) === 'type' && isTypeClause(tokens);
      if (startsTypes) {
        isType = true;
        continue;
      }
      clause.push({ name: 'default', local: tokens.textOf(token), start: token.start });
    } else return null;
    if (tokens.takeText(',') !== null) continue;
    return tokens.takeText('from') === null ? null : isType ? [] : clause;
  }
}

/** After `import type`: whether that is a clause of types, not a default import that is called so. */
function isTypeClause(tokens: TokenReader): boolean {
  const { next } = tokens;
  if (next === null) return false;
  return (
    next.type === tokTypes.braceL ||
    next.type === tokTypes.star ||
    (next.type === tokTypes.name && tokens.textOf(next) !== 'from')
  );
}

/** `{ a, b as c, type D }` */
function readNamed(tokens: TokenReader): Clause | null {
  const clause: Clause = [];
  tokens.take();
  while (tokens.takeText('}') === null) {
    let imported = tokens.take();
    if (imported === null) return null;
    const separators = [',', '}', 'as'];
    const isType =
      tokens.textOf(imported) === 'type' && tokens.next !== null && !separators.includes(tokens.textOf(tokens.next));
    if (isType) imported = tokens.take();
    if (imported === null) return null;
    const local = tokens.takeText('as') === null ? imported : tokens.take();
    if (local === null) return null;
    const name = imported.type === tokTypes.string ? stringIn(imported) : tokens.textOf(imported);
    if (!isType) clause.push({ name, local: tokens.textOf(local), start: imported.start });
    if (tokens.takeText(',') === null && tokens.next?.type !== tokTypes.braceR) return null;
  }
  return clause;
}

/** `with { type: 'json' }`: where it ends. */
function readAttributes(tokens: TokenReader): number | null {
  if (tokens.next?.type !== tokTypes._with) return null;
  tokens.take();
  for (let token = tokens.take(); token !== null; token = tokens.take()) {
    if (token.type === tokTypes.braceR) return token.end;
  }
  return null;
}
