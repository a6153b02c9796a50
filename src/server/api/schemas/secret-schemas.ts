import { z } from 'zod';
import { hostEntryExpected, isHostEntry } from '../../../config/bound-hosts.ts';
import { grantExpected, isGrantPattern } from '../../../config/grants.ts';
import { secretNameExpected, secretNamePattern } from '../../../protocol/secret-placeholder.ts';
import { bindingEntriesMax, secretSizeMax, secretSizeMin } from '../../../secrets/limits.ts';
import { named } from './schema-registry.ts';
import { time } from './values.ts';

const secretName = z.string(secretNameExpected).regex(secretNamePattern, secretNameExpected);
const effectExpected = 'the kind of an effect, such as crypto or mail';

function entries(isEntry: (text: string) => boolean, expected: string) {
  return z
    .array(z.string(expected).refine(isEntry, expected), `a list of ${expected}`)
    .max(bindingEntriesMax, `at most ${bindingEntriesMax}`);
}

const hosts = entries(isHostEntry, hostEntryExpected).describe('Where the http effect may send it');
const effects = entries((text) => /^[a-z][a-z0-9-]{0,30}$/.test(text), effectExpected).describe(
  'Kinds of other effects that may be given it',
);
const workflows = entries(isGrantPattern, grantExpected).describe('Workflows that it is granted to');

export const secretSchema = named(
  'Secret',
  'A secret, without its value: nothing shows that',
  z.strictObject({
    name: secretName,
    hosts: z.array(z.string()),
    effects: z.array(z.string()),
    workflows: z.array(z.string()),
    isReadable: z.boolean().describe('False when the server does not have the key that it is encrypted with'),
    keyId: z.string().describe('Of the key that it is encrypted with'),
    createdAt: time,
    updatedAt: time,
  }),
);

export const secretListSchema = z.strictObject({ items: z.array(secretSchema), nextCursor: z.null() });
export const secretParams = z.strictObject({ name: secretName });

export const givenSecretSchema = named(
  'GivenSecret',
  'A secret as it is set',
  z.strictObject({
    // Checked where a refusal does not show it.
    value: z
      .unknown()
      .meta({ type: 'string', writeOnly: true, minLength: secretSizeMin, maxLength: secretSizeMax })
      .describe('Given each time: who can only say where a secret may go cannot send it to another place'),
    hosts: hosts.default([]),
    effects: effects.default([]),
    workflows: workflows.default([]),
  }),
);

export const rotatedKeySchema = named(
  'RotatedKey',
  'What secrets are encrypted with now',
  z.strictObject({ keyId: z.string(), secrets: z.int().describe('How many were encrypted anew') }),
);
