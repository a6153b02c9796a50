/**
 * The kinds of values that configuration keys have. A kind reads a value from TOML or from text (environment, flag), says
 * what it allows, and writes itself down for the documentation.
 */
import { durationExpected, formatDuration, parseDuration } from './duration.ts';

/** Without `got`, the value as a whole is what is wrong. */
export type Reading<T> = { ok: true; value: T } | { ok: false; expected: string; got?: string };

/** One key: what it is called, what it takes, what it starts with, and what it is for. */
export interface ConfigKey<T> {
  /** As written in TOML, within its section. */
  readonly name: string;
  /** One or two sentences for the reference: what it does. */
  readonly doc: string;
  /** For the reference: what a change costs, and the sign that it is time for one. Empty where there is nothing to weigh. */
  readonly tuning: string;
  /** Its value is never printed. */
  readonly secret: boolean;
  /** Of a secret key: which values other users of the machine must not read. When it is missing: all but an empty one. */
  readonly holdsSecret?: (value: T) => boolean;
  /** The value when nobody sets it; a function when it depends on the machine. */
  readonly fallback: T | (() => T);
  /** The default as the reference shows it: in the key's own spelling. */
  readonly fallbackText: string;
  /** The type as the reference names it. */
  readonly typeText: string;
  /** The limits as the reference shows them; empty when there are none. */
  readonly limitsText: string;
  /** From a value that TOML gave: an integer is a bigint, a float a number. */
  read(value: unknown): Reading<T>;
  /** From the text of an environment variable or a flag. */
  readText(text: string): Reading<T>;
  /** How an effective value is written in TOML. */
  write(value: T): string;
}

interface KeyOptions<T> {
  name: string;
  /** What it does. */
  doc: string;
  /** What a change costs, and when to make it. */
  tuning?: string;
  fallback: T | (() => T);
  /** Needed when `fallback` is a function. */
  fallbackText?: string;
}

function fallbackTextOf<T>(options: KeyOptions<T>, write: (value: T) => string): string {
  if (options.fallbackText !== undefined) return options.fallbackText;
  if (typeof options.fallback === 'function') throw new TypeError(`${options.name} needs a fallbackText`);
  return write(options.fallback);
}

/** A number is a trade-off: its `tuning` says which. */
interface NumberOptions extends KeyOptions<number> {
  tuning: string;
  min: number;
  max: number;
  /** What one is, for the reference: `VMs`, `bytes`, `MiB`. None for a number that counts nothing, such as a port. */
  unit?: string;
}

const wholeNumberPattern = /^-?\d{1,16}$/;

export function integerKey(options: NumberOptions): ConfigKey<number> {
  const { min, max, unit } = options;
  const show = unit === 'bytes' ? showBytes : String;
  const limitsText = `${show(min)} to ${show(max)}`;
  const expected = `a whole number${unit === undefined ? '' : ` of ${unit}`} from ${limitsText}`;
  const check = (value: bigint): Reading<number> =>
    value >= min && value <= max ? { ok: true, value: Number(value) } : { ok: false, expected };
  return {
    name: options.name,
    doc: options.doc,
    tuning: options.tuning ?? '',
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, show),
    typeText: unit === undefined ? 'integer' : `integer (${unit})`,
    limitsText,
    read: (value) => (typeof value === 'bigint' ? check(value) : { ok: false, expected }),
    readText: (text) => (wholeNumberPattern.test(text) ? check(BigInt(text)) : { ok: false, expected }),
    write: String,
  };
}

/** The same key, which takes a number between quotes as well: the original wrote it so. */
export function numberOrText(key: ConfigKey<number>): ConfigKey<number> {
  return { ...key, read: (value) => (typeof value === 'string' ? key.readText(value) : key.read(value)) };
}

/** `1048576 (1 MiB)`; without the second spelling where it is not a whole number. */
function showBytes(bytes: number): string {
  const power = bytes === 0 ? 0 : Math.min(5, Math.floor(Math.log2(bytes) / 10));
  const whole = bytes / 1024 ** power;
  return power === 0 || !Number.isInteger(whole) ? String(bytes) : `${bytes} (${whole} ${'KMGTP'[power - 1]}iB)`;
}

interface DurationOptions extends KeyOptions<number> {
  tuning: string;
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
    tuning: options.tuning ?? '',
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, write),
    typeText: bareUnit === undefined ? 'duration' : `number (${bareUnit.name}) or duration`,
    limitsText,
    read(value) {
      if (typeof value === 'number' || typeof value === 'bigint') return fromNumber(Number(value));
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
    tuning: options.tuning ?? '',
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
    tuning: options.tuning ?? '',
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

interface OptionalTextOptions extends KeyOptions<string | null> {
  /** What it must be; `expected` says it in words. */
  matches(text: string): boolean;
  expected: string;
  secret?: boolean;
  holdsSecret?(value: string | null): boolean;
}

/** A text that may be left out; an empty one counts as left out. */
export function optionalTextKey(options: OptionalTextOptions): ConfigKey<string | null> {
  const { expected } = options;
  const read = (value: unknown): Reading<string | null> => {
    if (value === '') return { ok: true, value: null };
    return typeof value === 'string' && options.matches(value) ? { ok: true, value } : { ok: false, expected };
  };
  const write = (value: string | null): string => quote(value ?? '');
  return {
    name: options.name,
    doc: options.doc,
    tuning: options.tuning ?? '',
    secret: options.secret ?? false,
    holdsSecret: options.holdsSecret,
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
    tuning: options.tuning ?? '',
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

interface DurationTableOptions extends KeyOptions<Record<string, number>> {
  minMs: number;
  maxMs: number;
  countMax: number;
  /** What a name must look like; `nameExpected` says it in words. */
  isName(name: string): boolean;
  nameExpected: string;
}

/** A table of names to durations; the values are in milliseconds. In the environment it is a JSON object. */
export function durationTableKey(options: DurationTableOptions): ConfigKey<Record<string, number>> {
  const { minMs, maxMs, countMax } = options;
  const limitsText = `up to ${countMax} entries, each ${options.nameExpected}, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  const expected = `a table of ${limitsText}: ${durationExpected}`;
  const read = (value: unknown): Reading<Record<string, number>> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
      return { ok: false, expected };
    }
    const entries = Object.entries(value);
    if (entries.length > countMax) return { ok: false, expected };
    const durations: Record<string, number> = {};
    for (const [name, text] of entries) {
      const durationMs = typeof text === 'string' ? parseDuration(text) : null;
      if (!options.isName(name) || durationMs === null || durationMs < minMs || durationMs > maxMs) {
        return { ok: false, expected };
      }
      durations[name] = durationMs;
    }
    return { ok: true, value: durations };
  };
  const write = (value: Record<string, number>): string => {
    const entries = Object.entries(value).map(([name, durationMs]) => `${name} = "${formatDuration(durationMs)}"`);
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
  };
  return {
    name: options.name,
    doc: options.doc,
    tuning: options.tuning ?? '',
    secret: false,
    fallback: options.fallback,
    fallbackText: fallbackTextOf(options, write),
    typeText: 'table of durations',
    limitsText,
    read,
    readText(text) {
      try {
        return read(JSON.parse(text));
      } catch {
        return { ok: false, expected: `${expected}, as a JSON object` };
      }
    },
    write,
  };
}

interface ListOptions extends KeyOptions<string[]> {
  lengthMax: number;
  /** What one entry must look like; `itemExpected` says it in words. */
  isItem(item: string): boolean;
  itemExpected: string;
  /** What is wrong with an entry that `isItem` refuses, as the rest of "which …"; null when there is nothing special to say. */
  itemProblem?(item: string): string | null;
}

const shownItemLengthMax = 60;

/** A list of texts; in the environment it is a JSON array. */
export function listKey(options: ListOptions): ConfigKey<string[]> {
  const expected = `a list of up to ${options.lengthMax} entries, each ${options.itemExpected}`;
  const read = (value: unknown): Reading<string[]> => {
    if (!Array.isArray(value) || value.length > options.lengthMax) return { ok: false, expected };
    const items: string[] = [];
    for (const [index, item] of (value as unknown[]).entries()) {
      if (typeof item !== 'string' || !options.isItem(item)) {
        const problem = typeof item === 'string' ? (options.itemProblem?.(item) ?? null) : null;
        const kind = typeof item === 'bigint' ? 'number' : typeof item;
        const shown = typeof item === 'string' ? quote(item.slice(0, shownItemLengthMax)) : `a ${kind}`;
        const got = `${shown} as entry ${index + 1}${problem === null ? '' : `, which ${problem}`}`;
        return { ok: false, expected, got };
      }
      items.push(item);
    }
    return { ok: true, value: items };
  };
  const write = (value: string[]): string => `[${value.map(quote).join(', ')}]`;
  return {
    name: options.name,
    doc: options.doc,
    tuning: options.tuning ?? '',
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
