import { inheritedNames, plannedKeys, plannedSections } from './foreign-keys.ts';
import type { ConfigKey } from './key-kinds.ts';
import { type ConfigSection, configSections, environmentName, varsSection } from './keys.ts';
import { entryNameExpected, namedSections } from './named-sections.ts';

type AnySection = Omit<ConfigSection<never>, 'keys'> & { readonly keys: Readonly<Record<string, ConfigKey<unknown>>> };

const sections = Object.values(configSections) as unknown as readonly AnySection[];

/** A section of which there may be several: its name in headings and ids says so. */
const named = Object.values(namedSections).map((section) => ({
  ...section,
  name: `${section.name}.NAME`,
  doc: `${section.doc} NAME is ${entryNameExpected}; at most ${section.countMax} of them.`,
})) as unknown as readonly AnySection[];

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const nameList = (names: readonly string[]): string => `${names.map((name) => `\`${name}\``).join(', ')}.`;

/** The reference of every key as Markdown: docs/reference/config.md is exactly this text. */
export function configReference(): string {
  return [
    '# Configuration',
    '<!-- Written by tools/config-reference.ts from src/config/keys.ts: change that table, not this page. -->',
    'The configuration is the file that `--config` names, else `./config.toml` when it is there. A flag wins over the environment, the',
    'environment over the file, and that over the default. `nflow config show` prints every effective value and where it came from.',
    '',
    '* In the environment a key is `NFLOW_SECTION__KEY`, such as `NFLOW_SERVER__PORT`, in a section with a name `NFLOW_SECTION__NAME__KEY`; lists are JSON.',
    '* A duration is a text such as `"200ms"`, `"30s"` or `"1h30m"`. Keys of the original nFlow that count something take the bare number too.',
    '* Unknown keys, wrong types and values out of range stop the start, all of them told at once, each with its line.',
    '* A file with secrets in it should be readable by its owner only: the start warns when every user of the machine can read it.',
    '',
    ...sections.flatMap(describeSection),
    ...named.flatMap(describeSection),
    ...describeVars(),
    '## Keys of the original nFlow',
    '',
    'These are accepted and have no effect; the start gives one warning for each that it finds. Keys inside of these sections are not checked.',
    nameList(inheritedNames),
    '',
    '## Not available in this version',
    '',
    'These are refused by name:',
    nameList([...plannedSections.map((name) => `[${name}]`), ...plannedKeys]),
    '',
  ].join('\n');
}

function describeSection(section: AnySection): string[] {
  const keys = Object.values(section.keys);
  const rows = keys.map((key) => {
    const cells = [`\`${key.name}\``, key.typeText, key.fallbackText, key.limitsText, docOf(key)];
    return `| ${cells.map(cell).join(' | ')} |`;
  });
  const tunings = keys.filter(({ tuning }) => tuning !== '').map((key) => `* \`${key.name}\`: ${key.tuning}`);
  return [
    `## [${section.name}]`,
    '',
    section.doc,
    '',
    '| key | type | default | limits | what it does |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    ...(tunings.length === 0 ? [] : ['What to weigh, and when to change it:', '', ...tunings, '']),
  ];
}

function docOf(key: ConfigKey<unknown>): string {
  return key.secret ? `${key.doc} Never shown.` : key.doc;
}

function describeVars(): string[] {
  const variable = `${environmentName(`${varsSection.name}.`)}region`;
  return [
    `## [${varsSection.name}]`,
    '',
    varsSection.doc,
    `A key is ${varsSection.nameExpected}; a value is ${varsSection.valueExpected}; at most ${varsSection.countMax}. A variable`,
    `such as \`${variable}\` sets one: it takes the type that the file gives the key, and is a text where the file has none.`,
    '',
  ];
}

/** Names that `describeForTerminal` takes: each section and each key. */
export function referenceNames(): string[] {
  return [...sections, ...named].flatMap(({ name, keys }) => [
    name,
    ...Object.values(keys).map((key) => `${name}.${key.name}`),
  ]);
}

/** A section (`vm_pool`) or a single key (`vm_pool.max_size`) as plain text; null when there is none of that name. */
export function describeForTerminal(name: string): string | null {
  for (const section of [...sections, ...named]) {
    if (section.name === name) {
      const keys = Object.values(section.keys).map((key) => describeKey(section.name, key));
      return [`[${section.name}]  ${section.doc}`, ...keys].join('\n\n');
    }
    const key = Object.values(section.keys).find((candidate) => `${section.name}.${candidate.name}` === name);
    if (key !== undefined) return describeKey(section.name, key);
  }
  return null;
}

function describeKey(section: string, key: ConfigKey<unknown>): string {
  const id = `${section}.${key.name}`;
  const lines = [
    id,
    `  type         ${key.typeText}`,
    `  default      ${key.fallbackText}`,
    ...(key.limitsText === '' ? [] : [`  limits       ${key.limitsText}`]),
    `  environment  ${environmentName(id)}`,
    `  ${docOf(key)}`,
    ...(key.tuning === '' ? [] : [`  ${key.tuning}`]),
  ];
  return lines.join('\n');
}
