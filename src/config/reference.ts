import { inheritedKeys, inheritedSections, plannedKeys, plannedSections } from './foreign-keys.ts';
import type { ConfigKey } from './key-kinds.ts';
import { configSections, environmentName, varsSection } from './keys.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The reference of every key as Markdown: docs/reference/config.md is exactly this text. */
export function configReference(): string {
  const parts = [
    '# Configuration',
    '<!-- Written by tools/config-reference.ts from src/config/keys.ts: change that table, not this page. -->',
    'A flag wins over the environment, the environment over `config.toml`, and that over the default. In the environment a key is',
    '`NFLOW_SECTION__KEY`, lists are JSON. A duration is a text such as `"200ms"`, `"30s"` or `"1h30m"`; keys that take a bare number',
    'say what it counts. Unknown keys, wrong types and values out of range stop the start, all of them named at once.',
    '',
  ];
  for (const section of Object.values(configSections)) {
    parts.push(
      `## [${section.name}]`,
      '',
      section.doc,
      '',
      '| key | type | default | limits | what it does |',
      '|---|---|---|---|---|',
    );
    for (const key of Object.values(section.keys as Record<string, ConfigKey<unknown>>)) {
      const secret = key.secret ? ' Never shown.' : '';
      const cells = [`\`${key.name}\``, key.typeText, key.fallbackText, key.limitsText, `${key.doc}${secret}`];
      parts.push(`| ${cells.map(cell).join(' | ')} |`);
    }
    parts.push('');
  }
  parts.push(
    `## [${varsSection.name}]`,
    '',
    varsSection.doc,
    `A key is ${varsSection.nameExpected}; a value is ${varsSection.valueExpected}; at most ${varsSection.countMax}. A variable`,
    `such as \`${environmentName('vars.region').replace('REGION', 'region')}\` sets one: it takes the type that the file gives the key, and is a text where the file has none.`,
    '',
    '## Keys of the original nFlow',
    '',
    'These are accepted and have no effect; the start names those that it finds in one warning:',
    `${[...inheritedSections.map((name) => `\`[${name}]\``), ...inheritedKeys.map((id) => `\`${id}\``)].join(', ')}.`,
    '',
    '## Not available in this version',
    '',
    'These are refused by name:',
    `${[...plannedSections.map((name) => `\`[${name}]\``), ...plannedKeys.map((id) => `\`${id}\``)].join(', ')}.`,
    '',
  );
  return parts.join('\n');
}
