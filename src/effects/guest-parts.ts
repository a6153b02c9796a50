import type { EffectHost, EffectPart } from '../guest/effect-host.ts';
import { createCachePart } from './cache/guest.ts';
import { createCryptoPart } from './crypto/guest.ts';
import { createFilePart } from './file/guest.ts';
import { createMailPart } from './mail/guest.ts';
import { createSqlPart } from './sql/guest.ts';

interface GuestPart {
  kind: string;
  /** Its name in `ctx`; '' for a part that only nodes need. */
  member: string;
  /** Its source text is what travels. */
  create: (host: EffectHost) => EffectPart;
}

/** The guest parts of effects. What has none is issued by nodes only, with its arguments as they are. */
const parts: readonly GuestPart[] = [
  { kind: 'cache', member: 'cache', create: createCachePart },
  { kind: 'crypto', member: 'crypto', create: createCryptoPart },
  { kind: 'file', member: 'file', create: createFilePart },
  { kind: 'mail', member: 'mail', create: createMailPart },
  { kind: 'sql', member: 'sql', create: createSqlPart },
];

export interface EffectPartSource {
  kind: string;
  member: string;
  source: string;
}

/** The source texts of the parts of these kinds. */
export function effectPartSources(kinds: readonly string[]): EffectPartSource[] {
  return parts
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ kind, member, create }) => ({ kind, member, source: String(create) }));
}
