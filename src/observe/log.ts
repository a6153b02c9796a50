/**
 * The log: JSON lines for machines, short lines on a terminal. What a line carries passes one filter, so that a password in a
 * DSN, a token or a secret field is never written, whoever logs it.
 */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { NflowError } from '../errors.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Writes a line: `write('message')` or, as in pino, `write({ what: 'beside it' }, 'message')`. */
export interface LogWrite {
  (message: string): void;
  (fields: object, message: string): void;
}

export interface Log {
  debug: LogWrite;
  info: LogWrite;
  warn: LogWrite;
  error: LogWrite;
  /** A log whose lines all carry these fields. An error goes under `error`. */
  child(fields: object): Log;
}

export interface LogOptions {
  level: LogLevel;
  /** Default: stderr. */
  output?: { write(text: string): unknown };
  /** True for short lines. Default: whether stderr is a terminal, when `output` is not given. */
  readable?: boolean;
  /** Colours in short lines. Default: as `readable`, unless NO_COLOR asks otherwise. */
  colors?: boolean;
}

const hidden = '(hidden)';
const secretFieldPattern =
  /(pass(word|wd|phrase)?|secret|token|authorization|cookie|credential|api_?key|private_?key|^dsn$)/i;
/** `scheme://user:password@` of a URL, and `password=…` of a DSN. */
const urlPasswordPattern = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/@]+@/gi;
const dsnPasswordPattern = /\bpassword\s*=\s*('[^']*'|[^\s&'"]+)/gi;
const depthMax = 5;
const entriesMax = 100;

/** The text without the passwords that URLs and DSNs in it carry. */
export function hideSecrets(text: string): string {
  return text.replace(urlPasswordPattern, `$1:${hidden}@`).replace(dsnPasswordPattern, `password=${hidden}`);
}

/** A copy fit for a log line: secret fields hidden, errors spelled out, depth and width bounded. */
function presentable(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return hideSecrets(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === depthMax) return '…';
  if (value instanceof Error) return presentableError(value, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, entriesMax).map((item) => presentable(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value).slice(0, entriesMax)) {
    copy[name] = secretFieldPattern.test(name) ? hidden : presentable(field, depth + 1);
  }
  return copy;
}

function presentableError(error: Error, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = { name: error.name, message: hideSecrets(error.message) };
  if (error instanceof NflowError) {
    const { cause: _, ...place } = error.details;
    shown.code = error.code;
    Object.assign(shown, presentable(place, depth + 1));
  } else if ('code' in error) {
    shown.code = error.code;
  }
  if (error.stack !== undefined) shown.stack = hideSecrets(error.stack);
  if (error.cause !== undefined) shown.cause = presentable(error.cause, depth + 1);
  return shown;
}

/** Lines go to stderr as they come; the process may end right after one. */
export function createLog(options: LogOptions): Log {
  const readable = options.readable ?? (options.output === undefined && process.stderr.isTTY === true);
  const output = options.output ?? process.stderr;
  const colors = options.colors ?? (readable && process.stderr.hasColors?.() === true);
  const destination = readable ? readableLines(output, colors) : output;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => destination.write(line) },
  );
  return wrap(logger);
}

/** Writes nothing: for tests and for commands that talk to people in their own words. */
export function createSilentLog(): Log {
  return createLog({ level: 'error', output: new Writable({ write: (_chunk, _encoding, done) => done() }) });
}

interface LeveledLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  isLevelEnabled(level: string): boolean;
  child(fields: object): LeveledLogger;
}

function wrap(logger: LeveledLogger): Log {
  const writer = (level: LogLevel): LogWrite => {
    return (first: string | object, message?: string): void => {
      if (!logger.isLevelEnabled(level)) return;
      if (typeof first === 'string') logger[level]({}, hideSecrets(first));
      else logger[level](presentable(first, 0) as object, hideSecrets(message ?? ''));
    };
  };
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    child: (fields) => wrap(logger.child(presentable(fields, 0) as object)),
  };
}

const levelMarks: Record<string, { text: string; color: string }> = {
  debug: { text: 'debug', color: '\u001b[2m' },
  info: { text: 'info ', color: '\u001b[36m' },
  warn: { text: 'warn ', color: '\u001b[33m' },
  error: { text: 'error', color: '\u001b[31m' },
};

/** Turns JSON lines into `12:00:01 warn  message  field=value`. */
function readableLines(output: { write(text: string): unknown }, colors: boolean): { write(line: string): unknown } {
  const paint = (color: string, text: string): string => (colors ? `${color}${text}\u001b[0m` : text);
  return {
    write(line) {
      const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const mark = levelMarks[String(level)] ?? { text: String(level), color: '' };
      const clock = new Date(String(time)).toTimeString().slice(0, 8);
      let text = `${paint('\u001b[2m', clock)} ${paint(mark.color, mark.text)} ${onOneLine(String(msg))}`;
      for (const [name, value] of Object.entries(fields)) {
        text += name === 'error' ? readableError(value) : paint('\u001b[2m', `  ${name}=${readableValue(value)}`);
      }
      output.write(`${text}\n`);
    },
  };
}

function readableValue(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@-]+$/.test(value) ? value : (JSON.stringify(value) ?? 'undefined');
}

function readableError(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `: ${onOneLine(String(value))}`;
  const { message, code, stack, cause } = value as Record<string, unknown>;
  const head = `: ${onOneLine(String(message))}${code === undefined ? '' : ` (${String(code)})`}`;
  const causeText = cause === undefined ? '' : `; because${readableError(cause)}`;
  // A coded error says where and why by itself; of others the stack is what tells.
  const isCoded = code !== undefined;
  return isCoded || typeof stack !== 'string'
    ? `${head}${causeText}`
    : `${head}${causeText}\n${stack.split('\n').slice(1).join('\n')}`;
}

/** A message with control characters could draw on the reader's terminal. */
function onOneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
