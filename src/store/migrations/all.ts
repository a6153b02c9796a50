/** Every migration, in order. They are TypeScript so that the compiled package carries them. */
import { sql as history } from './0001-history.ts';
import { sql as retention } from './0002-retention.ts';
import { sql as publishing } from './0003-publishing.ts';
import { sql as secrets } from './0004-secrets.ts';

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [
  { number: 1, name: 'history', sql: history },
  { number: 2, name: 'retention', sql: retention },
  { number: 3, name: 'publishing', sql: publishing },
  { number: 4, name: 'secrets', sql: secrets },
];
