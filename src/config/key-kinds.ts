/**
 * The kinds of values that configuration keys have. A kind reads a value from TOML or from text (environment, flag), says
 * what it allows, and writes itself down for the documentation.
 */
import { durationExpected, formatDuration, parseDuration } from './duration.ts';

export type Reading<T> = { ok: true; value: T } | { ok: false; expected: string };

/** One key: what it is called, what it takes, what it starts with, and what it is for. */
export interface ConfigKey<T> {
  /** As written in TOML, within its section. */
  readonly name: string;
  /** One or two sentences for the reference: what it does, and when to change it. */
  readonly doc: string;
  /** Its value is never printed. */
  readonly secret: boolean;
  /** The value when nobody sets it; a function when it depends on the machine. */
  readonly fallback: T | (() => T);
  /** The default as the reference shows it: in the key's own spelling. */
  readonly fallbackText: string;
  /** The type as the reference names it. */
  readonly typeText: string;
  /** The limits as the reference shows them; empty when there are none. */
  readonly limitsText: string;
  /** From a value that TOML gave. */
  read(value: unknown): Reading<T>;
  /** From the text of an environment variable or a flag. */
  readText(text: string): Reading<T>;
  /** How an effective value is written in TOML. */
  write(value: T): string;
}

interface KeyOptions<T> {
  name: string;
  doc: string;
  fallback: T | (() => T);
  /** Needed when `fallback` is a function. */
  fallbackText?: string;
}

function fallbackTextOf<T>(options: KeyOptions<T>, write: (value: T) => string): string {
  if (options.fallbackText !== undefined) return options.fallbackText;
  if (typeof options.fallback === 'function') throw new TypeError(`${options.name} needs a fallbackText`);
  return write(options.fallback);
}

interface NumberOptions extends KeyOptions<number> {
  min: number;
  max: number;
  /** What one is, for the reference: `VMs`, `bytes`, `MiB`. */
  unit: string;
}

const wholeNumberPattern = /^-?\d{1,16}$/;

export function integerKey(options: NumberOptions): ConfigKey<number> {
  const { min, max, unit } = options;
  const limitsText = `${min} to ${max}`;
  const expected = `a whole number of ${unit} from ${limitsText}`;
  const check = (value: unknown): Reading<number> =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? { ok: true, value }
      : { ok: false, expected };
  return {
    name: options.name,
    doc: options.doc,
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, String),
    typeText: `integer (${unit})`,
    limitsText,
    read: check,
    readText: (text) => (wholeNumberPattern.test(text) ? check(Number(text)) : { ok: false, expected }),
    write: String,
  };
}

interface DurationOptions extends KeyOptions<number> {
  minMs: number;
  maxMs: number;
  /** What a bare number counts, for keys that had a unit before they took durations; without it a bare number is refused. */
  bareUnit?: { name: 'milliseconds' | 'seconds' | 'minutes'; ms: number };
}

/** A duration; the value is in milliseconds. */
export function durationKey(options: DurationOptions): ConfigKey<number> {
  const { minMs, maxMs, bareUnit } = options;
  const limitsText = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  const expected =
    bareUnit === undefined
      ? `${durationExpected}, from ${limitsText}`
      : `a number of ${bareUnit.name} or ${durationExpected}, from ${limitsText}`;
  const check = (valueMs: number | null): Reading<number> =>
    valueMs !== null && valueMs >= minMs && valueMs <= maxMs ? { ok: true, value: valueMs } : { ok: false, expected };
  const fromNumber = (amount: number): Reading<number> =>
    bareUnit === undefined || !Number.isFinite(amount)
      ? { ok: false, expected }
      : check(Math.round(amount * bareUnit.ms));
  const write = (valueMs: number): string =>
    bareUnit !== undefined && valueMs % bareUnit.ms === 0
      ? String(valueMs / bareUnit.ms)
      : `"${formatDuration(valueMs)}"`;
  return {
    name: options.name,
    doc: options.doc,
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, write),
    typeText: bareUnit === undefined ? 'duration' : `number (${bareUnit.name}) or duration`,
    limitsText,
    read(value) {
      if (typeof value === 'number') return fromNumber(value);
      return typeof value === 'string' ? check(parseDuration(value)) : { ok: false, expected };
    },
    readText: (text) => (/^\d+(\.\d+)?$/.test(text) ? fromNumber(Number(text)) : check(parseDuration(text))),
    write,
  };
}

export function booleanKey(options: KeyOptions<boolean>): ConfigKey<boolean> {
  const expected = 'true or false';
  return {
    name: options.name,
    doc: options.doc,
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, String),
    typeText: 'boolean',
    limitsText: '',
    read: (value) => (typeof value === 'boolean' ? { ok: true, value } : { ok: false, expected }),
    readText: (text) =>
      text === 'true' || text === 'false' ? { ok: true, value: text === 'true' } : { ok: false, expected },
    write: String,
  };
}

interface TextOptions<T> extends KeyOptions<T> {
  /** What it must look like; `expected` says it in words. */
  pattern: RegExp;
  expected: string;
  secret?: boolean;
}

const quote = (text: string): string => JSON.stringify(text);

export function textKey(options: TextOptions<string>): ConfigKey<string> {
  const { pattern, expected } = options;
  const read = (value: unknown): Reading<string> =>
    typeof value === 'string' && pattern.test(value) ? { ok: true, value } : { ok: false, expected };
  return {
    name: options.name,
    doc: options.doc,
    secret: options.secret ?? false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, quote),
    typeText: 'text',
    limitsText: expected,
    read,
    readText: read,
    write: quote,
  };
}

/** A text that may be left out; an empty one counts as left out. */
export function optionalTextKey(options: TextOptions<string | null>): ConfigKey<string | null> {
  const { pattern, expected } = options;
  const read = (value: unknown): Reading<string | null> => {
    if (value === '') return { ok: true, value: null };
    return typeof value === 'string' && pattern.test(value) ? { ok: true, value } : { ok: false, expected };
  };
  const write = (value: string | null): string => quote(value ?? '');
  return {
    name: options.name,
    doc: options.doc,
    secret: options.secret ?? false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, write),
    typeText: 'text',
    limitsText: expected,
    read,
    readText: read,
    write,
  };
}

interface ChoiceOptions<T extends string> extends KeyOptions<T> {
  choices: readonly T[];
}

export function choiceKey<T extends string>(options: ChoiceOptions<T>): ConfigKey<T> {
  const limitsText = options.choices.map(quote).join(', ');
  const expected = options.choices.length === 1 ? limitsText : `one of ${limitsText}`;
  const read = (value: unknown): Reading<T> => {
    const choice = options.choices.find((candidate) => candidate === value);
    return choice === undefined ? { ok: false, expected } : { ok: true, value: choice };
  };
  return {
    name: options.name,
    doc: options.doc,
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, quote),
    typeText: 'text',
    limitsText,
    read,
    readText: read,
    write: quote,
  };
}

interface ListOptions extends KeyOptions<string[]> {
  lengthMax: number;
  /** What one entry must look like; `itemExpected` says it in words. */
  isItem(item: string): boolean;
  itemExpected: string;
}

/** A list of texts; in the environment it is a JSON array. */
export function listKey(options: ListOptions): ConfigKey<string[]> {
  const expected = `a list of up to ${options.lengthMax} entries, each ${options.itemExpected}`;
  const read = (value: unknown): Reading<string[]> => {
    if (!Array.isArray(value) || value.length > options.lengthMax) return { ok: false, expected };
    const items: string[] = [];
    for (const item of value as unknown[]) {
      if (typeof item !== 'string' || !options.isItem(item)) return { ok: false, expected };
      items.push(item);
    }
    return { ok: true, value: items };
  };
  const write = (value: string[]): string => `[${value.map(quote).join(', ')}]`;
  return {
    name: options.name,
    doc: options.doc,
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, write),
    typeText: 'list of texts',
    limitsText: `up to ${options.lengthMax} entries, each ${options.itemExpected}`,
    read,
    readText(text) {
      try {
        return read(JSON.parse(text));
      } catch {
        return { ok: false, expected: `${expected}, as a JSON array` };
      }
    },
    write,
  };
}
