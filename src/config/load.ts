/**
 * From a file, the environment and flags to a `Config`. Nothing is guessed: what is not known, has the wrong type or is out of
 * range is a finding, and all findings are told at once.
 */
import { readFileSync, statSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import { NflowError } from '../errors.ts';
import { adminContradictions } from './admin-access.ts';
import type { Config, NamedSections } from './config.ts';
import { corsCredentialsExpected } from './cors.ts';
import { type Dsn, parseDsn } from './dsn.ts';
import {
  hasInheritedKeys,
  inheritedSections,
  isInheritedSecret,
  plannedKeys,
  plannedSections,
  successorOf,
} from './foreign-keys.ts';
import type { Reading } from './key-kinds.ts';
import { configSections, environmentName, type PlacedKey, placedKeys, varsSection } from './keys.ts';
import { entryNameExpected, entryNamePattern, namedKeysOf, namedSections } from './named-sections.ts';
import { nearestName } from './nearest-name.ts';
import { isTable, locateTomlKeys } from './toml-lines.ts';

const fileSizeMax = 1024 * 1024;
const gotLengthMax = 80;
const unreadableReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
};

/** One thing that is wrong with the configuration. */
export interface ConfigFinding {
  /** The file, or `environment` or `flags`. */
  file: string;
  /** 1-based; 0 where there are no lines. */
  line: number;
  column: number;
  /** `section.key`, or the whole name of an environment variable or flag. */
  key: string;
  code: 'unreadable-file' | 'invalid-toml' | 'unknown-key' | 'not-available' | 'invalid-value' | 'contradiction';
  got: string;
  expected: string;
  /** One sentence for a person, without the place. */
  message: string;
}

export interface LoadOptions {
  /** Path of a TOML file, which must exist; without it there is none. */
  file?: string;
  /** Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Values from the command line by `section.key`, as text. */
  flags?: Readonly<Record<string, string>>;
}

export interface LoadedConfig {
  config: Config;
  /** `section.key` (also `vars.NAME`) to where its value came from: `default`, `config.toml:12`, `NFLOW_SERVER__PORT`, `--port`. */
  origins: Map<string, string>;
  /** Sentences for a person: what was accepted and has no effect, one a key, and what others can read that they should not. */
  warnings: string[];
}

type VarValue = string | number | boolean;

const keyById: ReadonlyMap<string, PlacedKey> = new Map(placedKeys.map((placed) => [placed.id, placed]));
const keyByEnvironmentName: ReadonlyMap<string, PlacedKey> = new Map(
  placedKeys.map((placed) => [environmentName(placed.id), placed]),
);
const knownSections: readonly string[] = [
  ...Object.values(configSections).map((section) => section.name),
  varsSection.name,
  ...Object.values(namedSections).map((section) => section.name),
];

/**
 * The effective configuration: flag over environment over file over default.
 * Throws NflowError `invalid_config` whose message lists every finding with its place.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { loaded, findings } = checkConfig(options);
  const [first] = findings;
  if (first === undefined) return loaded;
  const count = findings.length === 1 ? 'a mistake' : `${findings.length} mistakes`;
  throw new NflowError(
    'invalid_config',
    `The configuration has ${count}:\n${findings.map((finding) => `  ${placeText(finding)}: ${finding.message}`).join('\n')}`,
    {
      file: first.file,
      line: first.line,
      got: first.got,
      expected: first.expected,
      remedy: 'Correct what is listed; `nflow config docs` describes every key.',
    },
  );
}

function placeText(finding: ConfigFinding): string {
  if (finding.line === 0) return finding.file;
  return finding.column === 0 ? `${finding.file}:${finding.line}` : `${finding.file}:${finding.line}:${finding.column}`;
}

/** As `loadConfig`, for those who show the findings themselves; with findings, `loaded` holds defaults in their places. */
export function checkConfig(options: LoadOptions): { loaded: LoadedConfig; findings: ConfigFinding[] } {
  const reading = new ConfigReading();
  if (options.file !== undefined) reading.readFile(options.file);
  reading.readEnvironment(options.env ?? process.env);
  reading.readFlags(options.flags ?? {});
  return reading.finish();
}

/** Collects values and findings, source by source, the weakest source first. */
class ConfigReading {
  readonly #values = new Map<string, unknown>();
  readonly #vars = new Map<string, VarValue>();
  /** Names of the entries of named sections, by section. */
  readonly #entryNames = new Map<string, Set<string>>();
  readonly #origins = new Map<string, string>();
  readonly #findings: ConfigFinding[] = [];
  readonly #warnings: string[] = [];
  /** Of the file: keys with something to hide. */
  readonly #secretIds: string[] = [];

  readFile(file: string): void {
    const text = this.#readText(file);
    if (text === null) return;
    let table: Record<string, unknown>;
    try {
      // `port = 8080.0` is a float to TOML: only so can it be told from an integer.
      table = parse(text, { integersAsBigInt: true });
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      // The rest of the message quotes the line, which may hold a secret.
      const [reason = 'not valid TOML'] = error.message.split('\n');
      this.#find(file, error.line, '', 'invalid-toml', 'text that is not TOML', 'valid TOML', reason, error.column);
      return;
    }
    const lineOf = locateTomlKeys(text);
    for (const [sectionName, section] of Object.entries(table)) {
      const line = lineOf.get(sectionName) ?? 0;
      if (isTable(section)) this.#readSection(file, sectionName, section, lineOf);
      else this.#refuseUnknown(file, line, sectionName, gotText(section));
    }
    this.#warnOfReaders(file);
  }

  #readText(file: string): string | null {
    try {
      const { size } = statSync(file);
      if (size > fileSizeMax) {
        const expected = `at most ${fileSizeMax} bytes`;
        this.#find(
          file,
          0,
          '',
          'unreadable-file',
          `${size} bytes`,
          expected,
          `the file has ${size} bytes, expected ${expected}`,
        );
        return null;
      }
      return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
      const reason = unreadableReasons[code] ?? code;
      this.#find(file, 0, '', 'unreadable-file', reason, 'a readable file', `the file cannot be read (${reason})`);
      return null;
    }
  }

  #readSection(file: string, sectionName: string, section: Record<string, unknown>, lineOf: Map<string, number>): void {
    if (Object.hasOwn(inheritedSections, sectionName)) {
      this.#inherit(file, sectionName, section, lineOf);
      return;
    }
    const entries = Object.entries(section);
    if (entries.length === 0 && !knownSections.includes(sectionName) && !hasInheritedKeys(sectionName)) {
      this.#refuseUnknown(file, lineOf.get(sectionName) ?? 0, sectionName, `[${sectionName}]`);
    }
    for (const [name, value] of entries) {
      const id = `${sectionName}.${name}`;
      const line = lineOf.get(id) ?? lineOf.get(sectionName) ?? 0;
      const origin = line === 0 ? file : `${file}:${line}`;
      const placed = keyById.get(id);
      if (namedKeysOf(sectionName) !== undefined && isTable(value)) {
        this.#readEntry(file, line, sectionName, name, value, lineOf);
      } else if (sectionName === varsSection.name) this.#readVar(file, line, id, name, plainNumber(value), origin);
      else if (placed !== undefined) this.#take(placed, placed.key.read(value), file, line, gotText(value), origin);
      else if (isTable(value) || successorOf(id) === null) this.#refuseUnknown(file, line, id, gotText(value));
      else this.#inherit(file, sectionName, { [name]: value }, lineOf);
    }
  }

  #readEntry(
    file: string,
    line: number,
    sectionName: string,
    name: string,
    table: Record<string, unknown>,
    lineOf: Map<string, number>,
  ): void {
    if (!this.#noteEntry(file, line, `${sectionName}.${name}`, sectionName, name)) return;
    for (const [keyName, value] of Object.entries(table)) {
      const id = `${sectionName}.${name}.${keyName}`;
      const keyLine = lineOf.get(id) ?? line;
      const key = namedKeysOf(sectionName)?.get(keyName)?.key;
      const origin = keyLine === 0 ? file : `${file}:${keyLine}`;
      if (key === undefined) this.#refuseEntryKey(file, keyLine, id, sectionName, keyName, gotText(value));
      else this.#take({ id, key }, key.read(value), file, keyLine, gotText(value), origin);
    }
  }

  /** False when there cannot be an entry of that name, which is told. */
  #noteEntry(file: string, line: number, shownAs: string, sectionName: string, name: string): boolean {
    const names = this.#entryNames.get(sectionName) ?? new Set<string>();
    const { countMax = 0 } = Object.values(namedSections).find((section) => section.name === sectionName) ?? {};
    const isNamed = entryNamePattern.test(name);
    if (!isNamed || (names.size === countMax && !names.has(name))) {
      const got = isNamed ? 'one more' : name;
      const expected = isNamed ? `at most ${countMax} of [${sectionName}]` : entryNameExpected;
      const message = `${shownAs}: got ${isNamed ? got : `the name ${name}`}, expected ${expected}`;
      this.#find(file, line, shownAs, 'invalid-value', got, expected, message);
      return false;
    }
    this.#entryNames.set(sectionName, names.add(name));
    return true;
  }

  #refuseEntryKey(file: string, line: number, shownAs: string, sectionName: string, name: string, got: string): void {
    const keyNames = [...(namedKeysOf(sectionName)?.keys() ?? [])];
    const nearest = nearestName(name, keyNames);
    const expected = nearest ?? `one of ${keyNames.join(', ')}`;
    const hint = nearest === null ? `expected ${expected}` : `did you mean ${nearest}?`;
    this.#find(file, line, shownAs, 'unknown-key', got, expected, `${shownAs} is not a known key; ${hint}`);
  }

  /** `NFLOW_DATASOURCES__ORDERS__DSN`: a name that the file has too may be written there with `-` instead of `_`. */
  #readEntryVariable(variable: string, sectionName: string, rest: string, text: string): void {
    const [, upperName = '', upperKey = ''] = /^(.+?)__(.+)$/.exec(rest.toUpperCase()) ?? [];
    const known = [...(this.#entryNames.get(sectionName) ?? [])];
    const name = known.find((one) => one.replaceAll('-', '_').toUpperCase() === upperName) ?? upperName.toLowerCase();
    const keyName = upperKey.toLowerCase();
    if (!this.#noteEntry('environment', 0, variable, sectionName, name)) return;
    const key = namedKeysOf(sectionName)?.get(keyName)?.key;
    if (key === undefined) this.#refuseEntryKey('environment', 0, variable, sectionName, keyName, gotText(text));
    else {
      const placed = { id: `${sectionName}.${name}.${keyName}`, key };
      this.#take(placed, key.readText(text), 'environment', 0, gotText(text), variable, variable);
    }
  }

  /** Keys of the original without effect, in tables of tables too: one warning each. */
  #inherit(file: string, parent: string, table: Record<string, unknown>, lineOf: Map<string, number>): void {
    for (const [name, value] of Object.entries(table)) {
      const id = `${parent}.${name}`;
      if (isTable(value)) {
        this.#inherit(file, id, value, lineOf);
        continue;
      }
      const line = lineOf.get(id) ?? 0;
      this.#warnWithoutEffect(line === 0 ? file : `${file}:${line}`, id, id);
      if (isInheritedSecret(name, value)) this.#secretIds.push(id);
    }
  }

  #warnWithoutEffect(place: string, shownAs: string, id: string): void {
    const successor = successorOf(id);
    const instead = successor === null || successor === '' ? '' : `; ${successor}`;
    this.#warnings.push(`${place}: ${shownAs} of the original nFlow has no effect in this version${instead}`);
  }

  /** Tells when a file with secrets can be read by every user of the machine. */
  #warnOfReaders(file: string): void {
    // Windows knows no such bits: the mode there says nothing.
    if (this.#secretIds.length === 0 || process.platform === 'win32') return;
    const { mode } = statSync(file);
    if ((mode & 0o004) === 0) return;
    const bits = (mode & 0o777).toString(8).padStart(4, '0');
    this.#warnings.push(
      `${file}: every user of this machine can read it (mode ${bits}), and it holds ${this.#secretIds.join(', ')}; run \`chmod 600 ${file}\`, or move what is secret to the environment`,
    );
  }

  readEnvironment(env: Readonly<Record<string, string | undefined>>): void {
    for (const [variable, text] of Object.entries(env)) {
      const match = /^NFLOW_(.+?)__(.+)$/i.exec(variable);
      if (match === null || text === undefined) continue;
      const section = (match[1] as string).toLowerCase();
      const name = match[2] as string;
      const placed = keyByEnvironmentName.get(variable.toUpperCase());
      if (section === varsSection.name) {
        this.#readVar('environment', 0, variable, name, this.#typedLikeBefore(name, text), variable);
      } else if (placed !== undefined) {
        this.#take(placed, placed.key.readText(text), 'environment', 0, gotText(text), variable, variable);
      } else if (section === 'secrets') {
        // Secrets of a run without a server (`environment-secrets.ts`).
      } else if (namedKeysOf(section) !== undefined && name.includes('__')) {
        this.#readEntryVariable(variable, section, name, text);
      } else if (successorOf(`${section}.${name.toLowerCase()}`) !== null) {
        this.#warnWithoutEffect('environment', variable, `${section}.${name.toLowerCase()}`);
      } else {
        this.#refuseUnknown('environment', 0, `${section}.${name.toLowerCase()}`, gotText(text), variable);
      }
    }
  }

  readFlags(flags: Readonly<Record<string, string>>): void {
    for (const [id, text] of Object.entries(flags)) {
      const placed = keyById.get(id);
      const flag = `--${id.slice(id.indexOf('.') + 1).replaceAll('_', '-')}`;
      if (placed === undefined) this.#refuseUnknown('flags', 0, id, gotText(text), flag);
      else this.#take(placed, placed.key.readText(text), 'flags', 0, gotText(text), flag, flag);
    }
  }

  #take(
    placed: Pick<PlacedKey, 'id' | 'key'>,
    reading: Reading<unknown>,
    file: string,
    line: number,
    gotOpen: string,
    origin: string,
    shownAs: string = placed.id,
  ): void {
    if (reading.ok) {
      this.#values.set(placed.id, reading.value);
      this.#origins.set(placed.id, origin);
      if (placed.key.secret && file !== 'environment' && file !== 'flags') {
        const holdsSecret = placed.key.holdsSecret ?? ((value) => value !== null && value !== '');
        if (holdsSecret(reading.value)) this.#secretIds.push(placed.id);
      }
      return;
    }
    const got = placed.key.secret ? 'a value that is not shown' : (reading.got ?? gotOpen);
    const { expected } = reading;
    this.#find(file, line, shownAs, 'invalid-value', got, expected, `${shownAs}: got ${got}, expected ${expected}`);
  }

  #readVar(file: string, line: number, shownAs: string, name: string, value: unknown, origin: string): void {
    const { namePattern, nameExpected, reservedNames, valueExpected, countMax } = varsSection;
    const isNamed = namePattern.test(name) && !(reservedNames as readonly string[]).includes(name);
    if (!isNamed) {
      const expected = `${nameExpected}, and none of ${reservedNames.join(', ')}`;
      this.#find(
        file,
        line,
        shownAs,
        'invalid-value',
        name,
        expected,
        `${shownAs}: got the name ${name}, expected ${expected}`,
      );
    } else if (!isVarValue(value)) {
      const got = gotText(value);
      this.#find(
        file,
        line,
        shownAs,
        'invalid-value',
        got,
        valueExpected,
        `${shownAs}: got ${got}, expected ${valueExpected}`,
      );
    } else if (this.#vars.size === countMax && !this.#vars.has(name)) {
      const expected = `at most ${countMax} values in [vars]`;
      this.#find(
        file,
        line,
        shownAs,
        'invalid-value',
        'one more',
        expected,
        `${shownAs}: got one more than allowed, expected ${expected}`,
      );
    } else {
      this.#vars.set(name, value);
      this.#origins.set(`${varsSection.name}.${name}`, origin);
    }
  }

  /** The environment knows only text: a value keeps the type that the file gave it, and is text where the file has none. */
  #typedLikeBefore(name: string, text: string): VarValue {
    const before = this.#vars.get(name);
    if (typeof before === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
    if (typeof before === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
    return text;
  }

  #refuseUnknown(file: string, line: number, id: string, got: string, shownAs: string = id): void {
    const section = id.split('.', 1)[0] as string;
    if (plannedKeys.includes(id) || plannedSections.includes(section)) {
      this.#find(
        file,
        line,
        shownAs,
        'not-available',
        shownAs,
        'to be left out',
        `${shownAs} is not available in this version; leave it out`,
      );
      return;
    }
    const isVariable = file === 'environment';
    const nearest = isVariable ? nearestName(shownAs, keyByEnvironmentName.keys()) : nearestKey(id);
    const expected = nearest === null ? `a section of ${knownSections.join(', ')} and one of its keys` : nearest;
    const hint = nearest === null ? `expected ${expected}` : `did you mean ${nearest}?`;
    this.#find(file, line, shownAs, 'unknown-key', got, expected, `${shownAs} is not a known key; ${hint}`);
  }

  #find(
    file: string,
    line: number,
    key: string,
    code: ConfigFinding['code'],
    got: string,
    expected: string,
    message: string,
    column = 0,
  ): void {
    this.#findings.push({ file, line, column, key, code, got, expected, message });
  }

  finish(): { loaded: LoadedConfig; findings: ConfigFinding[] } {
    const sections: Record<string, Record<string, unknown>> = {};
    for (const { id, section, field, key } of placedKeys) {
      sections[section] ??= {};
      sections[section][field] = this.#valueOf(id, key);
    }
    // The type of `configSections` ties every field of Config to a key of its type, so the filled table is one.
    const vars = Object.fromEntries(this.#vars);
    const config = { ...sections, ...this.#fillEntries(), vars } as unknown as Config;
    this.#checkTogether(config);
    return { loaded: { config, origins: this.#origins, warnings: this.#warnings }, findings: this.#findings };
  }

  #fillEntries(): Record<string, Record<string, Record<string, unknown>>> {
    const filled: Record<string, Record<string, Record<string, unknown>>> = {};
    for (const section of Object.keys(namedSections) as (keyof NamedSections)[]) {
      const entries: Record<string, Record<string, unknown>> = {};
      const { name: sectionName } = namedSections[section];
      for (const name of [...(this.#entryNames.get(sectionName) ?? [])].sort()) {
        const entry: Record<string, unknown> = {};
        for (const { field, key } of namedKeysOf(sectionName)?.values() ?? []) {
          const id = `${sectionName}.${name}.${key.name}`;
          entry[field] = this.#valueOf(id, key);
        }
        entries[name] = entry;
      }
      filled[section] = entries;
    }
    return filled;
  }

  #valueOf(id: string, key: PlacedKey['key']): unknown {
    if (!this.#origins.has(id)) this.#origins.set(id, 'default');
    if (this.#values.has(id)) return this.#values.get(id);
    return typeof key.fallback === 'function' ? key.fallback() : structuredClone(key.fallback);
  }

  /** Limits between keys: a default gives way, a value that somebody wrote is told. */
  #checkTogether(config: Config): void {
    this.#checkDatabase(config.databaseNflow);
    for (const [name, datasource] of Object.entries(config.datasources)) {
      this.#checkDatasource(`datasources.${name}.dsn`, datasource.dsn);
    }
    const { vmPool, server, monitor } = config;
    if (this.#origins.get('vm_pool.preload_size') === 'default') {
      vmPool.preloadSize = Math.min(vmPool.preloadSize, vmPool.maxSize);
    }
    if (vmPool.preloadSize > vmPool.maxSize) {
      this.#contradict(
        'vm_pool.preload_size',
        vmPool.preloadSize,
        `at most vm_pool.max_size, which is ${vmPool.maxSize}`,
      );
    }
    if (server.bodySizeMax > server.maxInflightBytes) {
      const expected = `at most server.max_inflight_bytes, which is ${server.maxInflightBytes}`;
      this.#contradict('server.max_body_bytes', server.bodySizeMax, expected);
    }
    if (monitor.metricsPath === monitor.healthCheckPath) {
      const expected = 'another path than that of monitor.health_check_path';
      this.#contradict('monitor.metrics_path', monitor.metricsPath, expected);
    }
    for (const { id, got, expected } of adminContradictions(config)) this.#contradict(id, got, expected);
    if (config.cors.credentials && config.cors.origins.includes('*')) {
      this.#contradict('cors.credentials', 'true', corsCredentialsExpected);
    }
  }

  #checkDatabase(database: Config['databaseNflow']): void {
    const id = 'database_nflow.dsn';
    if (database.driver === 'sqlite3') {
      const place = this.#origins.get('database_nflow.driver') ?? 'default';
      const ignored = database.dsn === null ? '' : `, and ${id} is not read`;
      this.#warnings.push(
        `${place}: database_nflow.driver "sqlite3" of the original nFlow: this one keeps its data in PostgreSQL, so the embedded server in the data folder is used${ignored}`,
      );
      database.dsn = null;
      this.#origins.set(id, 'default');
    }
    if (database.dsn !== null) this.#checkDsn(id, database.dsn);
  }

  #checkDatasource(id: string, dsn: string): void {
    if (dsn === '') {
      // A value that is wrong has been told.
      if (this.#findings.some(({ key }) => key === id)) return;
      const expected = 'a connection string of PostgreSQL';
      this.#find(
        'configuration',
        0,
        id,
        'invalid-value',
        'nothing',
        expected,
        `${id}: got nothing, expected ${expected}`,
      );
      return;
    }
    const parsed = this.#checkDsn(id, dsn);
    if (parsed === null || parsed.poolMaxConns === null) return;
    const expected = 'pool_max_conns beside dsn, not in it';
    const { file, line } = this.#placeOf(id);
    this.#find(
      file,
      line,
      id,
      'contradiction',
      'pool_max_conns',
      expected,
      `${id}: got pool_max_conns, expected ${expected}`,
    );
  }

  #checkDsn(id: string, dsn: string): Dsn | null {
    try {
      return parseDsn(dsn);
    } catch (error) {
      if (!(error instanceof NflowError)) throw error;
      const { file, line } = this.#placeOf(id);
      const { got = '', expected = '' } = error.details;
      this.#find(file, line, id, 'invalid-value', got, expected, `${id}: ${error.message}`);
      return null;
    }
  }

  #contradict(id: string, value: number | string, expected: string): void {
    const { file, line } = this.#placeOf(id);
    this.#find(file, line, id, 'contradiction', String(value), expected, `${id}: got ${value}, expected ${expected}`);
  }

  /** Where the effective value of a key was written. */
  #placeOf(id: string): { file: string; line: number } {
    const origin = this.#origins.get(id) ?? 'default';
    const match = /^(.*):(\d+)$/.exec(origin);
    return { file: match?.[1] ?? origin, line: Number(match?.[2] ?? 0) };
  }
}

function isVarValue(value: unknown): value is VarValue {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  );
}

/** A TOML integer as the number that expressions know; one that a number cannot hold stays what it is. */
function plainNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function nearestKey(id: string): string | null {
  if (!id.includes('.')) {
    const section = nearestName(id, knownSections);
    if (section !== null) return `[${section}]`;
    const sameName = placedKeys.find((placed) => placed.key.name === id);
    return sameName?.id ?? null;
  }
  const name = id.slice(id.indexOf('.') + 1);
  // The right key in the wrong section is more likely than another key of a similar name.
  return placedKeys.find((placed) => placed.key.name === name)?.id ?? nearestName(id, keyById.keys());
}

/** What somebody wrote, short enough for a message. */
function gotText(value: unknown): string {
  if (value instanceof Date) return 'a date';
  if (isTable(value)) return 'a table';
  if (typeof value === 'number' && Number.isInteger(value)) return value.toFixed(1);
  const text =
    typeof value === 'number' || typeof value === 'bigint'
      ? String(value)
      : (JSON.stringify(value, (_, part) => plainNumber(part)) ?? typeof value);
  return text.length > gotLengthMax ? `${text.slice(0, gotLengthMax)}…` : text;
}
